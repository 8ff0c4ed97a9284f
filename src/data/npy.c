#include "npy.h"

#include <stdio.h>
#include <string.h>

#include "file.h"
#include "memory.h"

static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6, MOST_DIMS = 32, ALIGNMENT = 64 };

/* -------------------------------------------------------------------- header
 */

typedef struct header {
  const char *at, *end;
  moe_elements e;
  bool fortran;
  size_t n_dims, shape[MOST_DIMS];
  unsigned seen; /* of the three keys, a bit each */
} header;

static void skip_blanks(header *h) {
  while (h->at < h->end && strchr(" \t\r\n", *h->at) != NULL) h->at++;
}

static bool take(header *h, char c) {
  skip_blanks(h);
  if (h->at == h->end || *h->at != c) return false;
  h->at++;
  return true;
}

static bool take_word(header *h, const char *word) {
  size_t n = strlen(word);
  skip_blanks(h);
  if ((size_t)(h->end - h->at) < n || memcmp(h->at, word, n) != 0) return false;
  h->at += n;
  return true;
}

/* A text between quotes of either kind, without escapes. */
static bool take_text(header *h, char *out, size_t room) {
  size_t n = 0;
  char quote = '\'';
  if (!take(h, quote)) {
    quote = '"';
    if (!take(h, quote)) return false;
  }
  for (; h->at < h->end && *h->at != quote; h->at++)
    if (n + 1 < room) out[n++] = *h->at;
  out[n] = 0;
  return take(h, quote);
}

static bool take_length(header *h, size_t *out) {
  const char *begin;
  skip_blanks(h);
  begin = h->at;
  *out = 0;
  for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++)
    if (__builtin_mul_overflow(*out, (size_t)10, out) ||
        __builtin_add_overflow(*out, (size_t)(*h->at - '0'), out))
      return false;
  return h->at > begin;
}

static bool read_descr(header *h) {
  static const char kinds[] = "iubf"; /* in the order of moe_element_kind */
  char text[8];
  const char *kind;
  if (!take_text(h, text, sizeof text) || strlen(text) != 3) return false;
  kind = strchr(kinds, text[1]);
  if (kind == NULL || strchr("<>=|", text[0]) == NULL) return false;
  h->e.kind = (moe_element_kind)(kind - kinds);
  h->e.width = (unsigned)(text[2] - '0');
  h->e.big = text[0] == '>';
  return strchr(text[1] == 'f'   ? "248"
                : text[1] == 'b' ? "1"
                                 : "1248",
                text[2]) != NULL;
}

static bool read_order(header *h) {
  h->fortran = take_word(h, "True");
  return h->fortran || take_word(h, "False");
}

static bool read_shape(header *h) {
  if (!take(h, '(')) return false;
  while (!take(h, ')')) {
    if (h->n_dims == MOST_DIMS || !take_length(h, &h->shape[h->n_dims++]))
      return false;
    if (!take(h, ',') && (h->at == h->end || *h->at != ')')) return false;
  }
  return true;
}

static const struct {
  const char *key;
  bool (*read)(header *);
} parts[] = {{"descr", read_descr},
             {"fortran_order", read_order},
             {"shape", read_shape}};
enum { ALL_PARTS = 7 };

static bool read_part(header *h) {
  char key[16];
  if (!take_text(h, key, sizeof key) || !take(h, ':')) return false;
  for (unsigned i = 0; i < 3; i++)
    if (strcmp(parts[i].key, key) == 0 && (h->seen >> i & 1) == 0) {
      h->seen |= 1u << i;
      return parts[i].read(h);
    }
  return false;
}

static bool read_header(header *h) {
  if (!take(h, '{')) return false;
  while (!take(h, '}'))
    if (!read_part(h) || (!take(h, ',') && (h->at == h->end || *h->at != '}')))
      return false;
  return h->seen == ALL_PARTS;
}

/* ------------------------------------------------------------------- reading
 */

/* Items that lie with the first index running fastest, into rows. */
static moe_status reorder(moe_call *call, moe_tensor **t) {
  const moe_tensor *from = *t;
  size_t index[MOE_MAX_DIMS] = {0};
  moe_tensor *to;
  moe_status status =
      moe_tensor_make(call, from->dtype, from->ndim, from->shape, &to);
  for (size_t i = 0; status == MOE_OK && i < from->n; i++) {
    size_t place = 0;
    for (int d = 0; d < from->ndim; d++)
      place = place * (size_t)from->shape[d] + index[d];
    to->i[place] = from->i[i];
    for (int d = 0; d < from->ndim; d++) {
      if (++index[d] < (size_t)from->shape[d]) break;
      index[d] = 0;
    }
  }
  moe_tensor_release(*t);
  *t = to;
  return status;
}

static bool find_header(const unsigned char *bytes, size_t size, size_t *begin,
                        size_t *length) {
  unsigned version = size > MAGIC + 2 ? bytes[MAGIC] : 0, width;
  if (version < 1 || version > 3 || memcmp(bytes, magic, MAGIC) != 0)
    return false;
  width = version == 1 ? 2 : 4;
  *begin = MAGIC + 2 + width;
  *length = 0;
  if (*begin > size) return false;
  for (unsigned i = 0; i < width; i++)
    *length |= (size_t)bytes[MAGIC + 2 + i] << 8 * i;
  return *length <= size - *begin;
}

moe_status moe_npy_parse(moe_call *call, const char *what,
                         const unsigned char *bytes, size_t size,
                         moe_tensor **out) {
  header h = {0};
  size_t begin, length;
  *out = NULL;
  if (!find_header(bytes, size, &begin, &length))
    return moe_fail(call, MOE_EFORMAT, "'%.200s' is no .npy file", what);
  h.at = (const char *)bytes + begin;
  h.end = h.at + length;
  if (!read_header(&h))
    return moe_fail(call, MOE_EFORMAT,
                    "'%.200s': a header of plain numbers expected, got %.*s",
                    what, (int)(length < 60 ? length : 60),
                    (const char *)bytes + begin);
  begin += length;
  MOE_TRY(moe_elements_read(call, what, &h.e, h.n_dims, h.shape, bytes + begin,
                            size - begin, out));
  return h.fortran ? reorder(call, out) : MOE_OK;
}

moe_status moe_npy_read(moe_call *call, const char *path, moe_tensor **out) {
  unsigned char *bytes;
  size_t size;
  MOE_TRY(moe_file_read(call, path, SIZE_MAX / 4, &bytes, &size));
  moe_status status = moe_npy_parse(call, path, bytes, size, out);
  moe_free(bytes);
  return status;
}

/* ------------------------------------------------------------------- writing
 */

size_t moe_npy_header(const moe_tensor *t, char head[MOE_NPY_HEAD]) {
  char shape[96] = "";
  size_t used = 0, begin = MAGIC + 4;
  for (int d = 0; d < t->ndim; d++)
    used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%lld",
                             d > 0 ? ", " : "", (long long)t->shape[d]);
  memset(head, ' ', MOE_NPY_HEAD);
  used = begin +
         (size_t)snprintf(
             head + begin, MOE_NPY_HEAD - begin,
             "{'descr': '<%c4', 'fortran_order': False, 'shape': (%s%s), }",
             t->dtype == MOE_F32 ? 'f' : 'i', shape, t->ndim == 1 ? "," : "");
  head[used] = ' ';
  used = (used + ALIGNMENT) / ALIGNMENT * ALIGNMENT; /* and a line's end */
  head[used - 1] = '\n';
  memcpy(head, magic, MAGIC);
  head[MAGIC] = 1;
  head[MAGIC + 1] = 0;
  head[MAGIC + 2] = (char)(used - begin);
  head[MAGIC + 3] = 0;
  return used;
}

moe_status moe_npy_write(moe_call *call, const char *path,
                         const moe_tensor *t) {
  char head[MOE_NPY_HEAD];
  moe_writer *w;
  MOE_TRY(moe_writer_new(call, path, &w));
  size_t n = moe_npy_header(t, head);
  moe_status status = moe_writer_append(call, w, head, n);
  if (status == MOE_OK)
    status = moe_writer_append(call, w, t->f, moe_tensor_bytes(t));
  if (status == MOE_OK) status = moe_writer_commit(call, w);
  moe_writer_release(w);
  return status;
}
