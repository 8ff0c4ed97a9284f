#include "npz.h"

#include <string.h>

#include "file.h"
#include "inflate.h"
#include "memory.h"
#include "npy.h"

enum {
  LOCAL = 30,   /* bytes of a member's own header, … */
  CENTRAL = 46, /* of its entry in the list at the end, */
  TAIL = 22,    /* and of what follows the list */
  LOCAL_MARK = 0x04034b50,
  CENTRAL_MARK = 0x02014b50,
  TAIL_MARK = 0x06054b50,
  MOST_COMMENT = 65535,
  STORED = 0,
  DEFLATED = 8,
  VERSION = 20,     /* of the format, to read what is written here */
  FIRST_DAY = 0x21, /* 1980-01-01: the same tensors make the same bytes */
  IS_UTF8 = 1 << 11
};

static const char suffix[] = ".npy";

static uint32_t get(const unsigned char *bytes, unsigned width) {
  uint32_t x = 0;
  while (width-- > 0) x = x << 8 | bytes[width];
  return x;
}

static unsigned char *put(unsigned char *to, unsigned width, size_t x) {
  for (unsigned i = 0; i < width; i++) *to++ = (unsigned char)(x >> 8 * i);
  return to;
}

/* Of zip: CRC-32 with the polynomial 0xedb88320, four bits at a time. */
static uint32_t check_sum(uint32_t sum, const void *from, size_t size) {
  static const uint32_t table[16] = {
      0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
      0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
      0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  const unsigned char *bytes = from;
  sum = ~sum;
  for (size_t i = 0; i < size; i++) {
    sum = table[(sum ^ bytes[i]) & 15] ^ sum >> 4;
    sum = table[(sum ^ (uint32_t)bytes[i] >> 4) & 15] ^ sum >> 4;
  }
  return ~sum;
}

/* ------------------------------------------------------------------- reading
 */

typedef struct archive {
  moe_call *call;
  const char *path;
  const unsigned char *bytes;
  size_t size;
  size_t used; /* by members so far: they may not share bytes */
  moe_named_tensors *out;
} archive;

typedef struct member {
  unsigned flags, method;
  uint32_t sum;
  size_t packed, size, at;
  const char *name;
  size_t name_length;
} member;

static moe_status damaged(const archive *a, const char *what) {
  return moe_fail(a->call, MOE_EFORMAT, "'%.200s' is no .npz file: %s", a->path,
                  what);
}

static const unsigned char *find_tail(const archive *a) {
  size_t most = a->size < TAIL + MOST_COMMENT ? a->size : TAIL + MOST_COMMENT;
  for (size_t back = TAIL; back <= most; back++)
    if (get(a->bytes + a->size - back, 4) == TAIL_MARK)
      return a->bytes + a->size - back;
  return NULL;
}

static moe_status find_bytes(archive *a, const member *m,
                             const unsigned char **out) {
  size_t begin;
  if (m->at > a->size || a->size - m->at < LOCAL ||
      get(a->bytes + m->at, 4) != LOCAL_MARK)
    return damaged(a, "a member is not where the list says");
  begin = m->at + LOCAL + get(a->bytes + m->at + 26, 2) +
          get(a->bytes + m->at + 28, 2);
  if (begin > a->size || m->packed > a->size - begin)
    return damaged(a, "it ends within a member");
  a->used += m->packed + LOCAL;
  if (a->used > a->size) return damaged(a, "members share their bytes");
  *out = a->bytes + begin;
  return MOE_OK;
}

static moe_status parse_member(archive *a, const member *m, const char *name,
                               const unsigned char *bytes, size_t size) {
  size_t length = m->name_length, end = sizeof suffix - 1;
  moe_tensor *t;
  if (size != m->size || check_sum(0, bytes, size) != m->sum)
    return damaged(a, "a member's length or checksum is wrong");
  MOE_TRY(moe_npy_parse(a->call, name, bytes, size, &t));
  if (length > end && memcmp(m->name + length - end, suffix, end) == 0)
    length -= end;
  return moe_named_tensors_add(a->call, a->out, m->name, length, t);
}

static moe_status read_member(archive *a, const member *m) {
  char name[128] = {0};
  const unsigned char *packed = NULL;
  unsigned char *bytes;
  size_t size;
  memcpy(name, m->name, m->name_length < 127 ? m->name_length : 127);
  MOE_TRY(find_bytes(a, m, &packed));
  if (m->method == STORED && (m->flags & 1) == 0)
    return parse_member(a, m, name, packed, m->packed);
  if (m->method != DEFLATED || (m->flags & 1) != 0)
    return moe_fail(a->call, MOE_EUNSUPPORTED,
                    "'%.200s': member '%s' is encrypted, or compressed by "
                    "another method than deflate",
                    a->path, name);
  MOE_TRY(moe_inflate(a->call, name, false, packed, m->packed, m->size, &bytes,
                      &size));
  moe_status status = parse_member(a, m, name, bytes, size);
  moe_free(bytes);
  return status;
}

/* The entry at `*at`, which is moved behind it. */
static moe_status read_entry(archive *a, size_t *at, member *m) {
  const unsigned char *e = a->bytes + *at;
  size_t length;
  if (*at > a->size || a->size - *at < CENTRAL || get(e, 4) != CENTRAL_MARK)
    return damaged(a, "its list of members is cut off");
  *m = (member){.flags = get(e + 8, 2),
                .method = get(e + 10, 2),
                .sum = get(e + 16, 4),
                .packed = get(e + 20, 4),
                .size = get(e + 24, 4),
                .at = get(e + 42, 4),
                .name = (const char *)e + CENTRAL,
                .name_length = get(e + 28, 2)};
  length = CENTRAL + m->name_length + get(e + 30, 2) + get(e + 32, 2);
  if (length > a->size - *at) return damaged(a, "its list of members is cut");
  if (memchr(m->name, 0, m->name_length) != NULL)
    return damaged(a, "a name holds a zero byte");
  *at += length;
  return MOE_OK;
}

static moe_status read_archive(archive *a) {
  const unsigned char *tail = find_tail(a);
  member m;
  if (tail == NULL) return damaged(a, "it has no list of members");
  size_t n = get(tail + 10, 2), at = get(tail + 16, 4);
  if (n == 0xffff || at == 0xffffffff)
    return moe_fail(a->call, MOE_EUNSUPPORTED,
                    "'%.200s' is an archive of more than 4 GiB", a->path);
  for (size_t i = 0; i < n; i++) {
    MOE_TRY(moe_call_check(a->call));
    MOE_TRY(read_entry(a, &at, &m));
    MOE_TRY(read_member(a, &m));
  }
  return MOE_OK;
}

moe_status moe_npz_read(moe_call *call, const char *path,
                        moe_named_tensors *out) {
  archive a = {.call = call, .path = path, .out = out};
  unsigned char *bytes;
  MOE_TRY(moe_file_read(call, path, SIZE_MAX / 4, &bytes, &a.size));
  a.bytes = bytes;
  moe_status status = read_archive(&a);
  moe_free(bytes);
  return status;
}

/* ------------------------------------------------------------------- writing
 */

typedef struct entry {
  uint32_t sum;
  size_t size, at; /* of its .npy file, and where its member begins */
} entry;

/* What a member's own header and its entry in the list have in common. */
static unsigned char *put_common(unsigned char *to, const entry *e,
                                 size_t name_length) {
  to = put(to, 2, VERSION);
  to = put(to, 2, IS_UTF8);
  to = put(to, 2, STORED);
  to = put(to, 2, 0);
  to = put(to, 2, FIRST_DAY);
  to = put(to, 4, e->sum);
  to = put(to, 4, e->size);
  to = put(to, 4, e->size);
  to = put(to, 2, name_length);
  return put(to, 2, 0);
}

static moe_status write_name(moe_call *call, moe_writer *w, const char *name) {
  MOE_TRY(moe_writer_append(call, w, name, strlen(name)));
  return moe_writer_append(call, w, suffix, sizeof suffix - 1);
}

static size_t name_length(const char *name) {
  return strlen(name) + sizeof suffix - 1;
}

static moe_status write_member(moe_call *call, moe_writer *w, const char *name,
                               const moe_tensor *t, entry *e) {
  unsigned char local[LOCAL];
  char head[MOE_NPY_HEAD];
  size_t n = moe_npy_header(t, head);
  e->size = n + moe_tensor_bytes(t);
  e->sum = check_sum(check_sum(0, head, n), t->f, moe_tensor_bytes(t));
  put_common(put(local, 4, LOCAL_MARK), e, name_length(name));
  MOE_TRY(moe_writer_append(call, w, local, LOCAL));
  MOE_TRY(write_name(call, w, name));
  MOE_TRY(moe_writer_append(call, w, head, n));
  return moe_writer_append(call, w, t->f, moe_tensor_bytes(t));
}

static moe_status write_entry(moe_call *call, moe_writer *w, const char *name,
                              const entry *e) {
  unsigned char central[CENTRAL] = {0};
  put_common(put(put(central, 4, CENTRAL_MARK), 2, VERSION), e,
             name_length(name));
  put(central + 42, 4, e->at);
  MOE_TRY(moe_writer_append(call, w, central, CENTRAL));
  return write_name(call, w, name);
}

static moe_status write_tail(moe_call *call, moe_writer *w, size_t n,
                             size_t begin, size_t end) {
  unsigned char tail[TAIL] = {0};
  put(tail, 4, TAIL_MARK);
  put(put(put(put(tail + 8, 2, n), 2, n), 4, end - begin), 4, begin);
  return moe_writer_append(call, w, tail, TAIL);
}

static moe_status write_archive(moe_call *call, moe_writer *w,
                                const moe_named_tensors *s) {
  size_t at = 0, list;
  entry *entries;
  MOE_SCRATCH(call, entries, s->n);
  for (size_t i = 0; i < s->n; i++) {
    entries[i].at = at;
    MOE_TRY(write_member(call, w, s->names[i], s->items[i], &entries[i]));
    at += LOCAL + name_length(s->names[i]) + entries[i].size;
  }
  list = at;
  for (size_t i = 0; i < s->n; i++) {
    MOE_TRY(write_entry(call, w, s->names[i], &entries[i]));
    at += CENTRAL + name_length(s->names[i]);
  }
  return write_tail(call, w, s->n, list, at);
}

/* What the fields of the format hold. */
static moe_status check_sizes(moe_call *call, const moe_named_tensors *s) {
  size_t total = TAIL;
  for (size_t i = 0; i < s->n; i++) {
    if (name_length(s->names[i]) > UINT16_MAX)
      return moe_fail(call, MOE_EARG, "a name of more than 65,000 bytes");
    total += LOCAL + CENTRAL + MOE_NPY_HEAD + 2 * name_length(s->names[i]) +
             moe_tensor_bytes(s->items[i]);
  }
  if (s->n < UINT16_MAX && total < UINT32_MAX) return MOE_OK;
  return moe_fail(call, MOE_EUNSUPPORTED,
                  "an archive of more than 65,534 tensors or 4 GiB");
}

moe_status moe_npz_write(moe_call *call, const char *path,
                         const moe_named_tensors *s) {
  moe_writer *w;
  MOE_TRY(check_sizes(call, s));
  MOE_TRY(moe_writer_new(call, path, &w));
  moe_status status = write_archive(call, w, s);
  if (status == MOE_OK) status = moe_writer_commit(call, w);
  moe_writer_release(w);
  return status;
}
