#include "idx.h"

#include <string.h>

#include "file.h"
#include "inflate.h"
#include "memory.h"

enum { HEAD = 4, LENGTH = 4, MOST_DIMS = 255 };
static const size_t most_bytes = (size_t)1 << 32; /* inflated */

static const struct {
  unsigned char code;
  moe_elements e;
} types[] = {
    {0x08, {MOE_E_UNSIGNED, 1, true, false}},
    {0x09, {MOE_E_SIGNED, 1, true, false}},
    {0x0b, {MOE_E_SIGNED, 2, true, false}},
    {0x0c, {MOE_E_SIGNED, 4, true, false}},
    {0x0d, {MOE_E_REAL, 4, true, false}},
    {0x0e, {MOE_E_REAL, 8, true, false}},
};

static bool find_type(unsigned code, moe_elements *out) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i].code == code) {
      *out = types[i].e;
      return true;
    }
  return false;
}

static moe_status parse(moe_call *call, const char *path, bool to_floats,
                        const unsigned char *bytes, size_t size,
                        moe_tensor **out) {
  moe_elements e;
  size_t shape[MOST_DIMS] = {0}, dims, head;
  if (size < HEAD || bytes[0] != 0 || bytes[1] != 0 || !find_type(bytes[2], &e))
    return moe_fail(call, MOE_EFORMAT, "'%.200s' is no IDX file", path);
  dims = bytes[3];
  head = HEAD + dims * LENGTH;
  if (head > size)
    return moe_fail(call, MOE_EFORMAT, "'%.200s' ends within its header", path);
  for (size_t d = 0; d < dims; d++)
    for (size_t i = 0; i < LENGTH; i++)
      shape[d] = shape[d] << 8 | bytes[HEAD + d * LENGTH + i];
  e.to_floats = to_floats;
  return moe_elements_read(call, path, &e, dims, shape, bytes + head,
                           size - head, out);
}

static moe_status inflate_and_parse(moe_call *call, const char *path,
                                    bool to_floats, const unsigned char *bytes,
                                    size_t size, moe_tensor **out) {
  unsigned char *inflated;
  size_t n;
  MOE_TRY(
      moe_inflate(call, path, true, bytes, size, most_bytes, &inflated, &n));
  moe_status status = parse(call, path, to_floats, inflated, n, out);
  moe_free(inflated);
  return status;
}

moe_status moe_idx_read(moe_call *call, const char *path, bool to_floats,
                        moe_tensor **out) {
  unsigned char *bytes;
  size_t size;
  moe_status status;
  *out = NULL;
  MOE_TRY(moe_file_read(call, path, SIZE_MAX / 4, &bytes, &size));
  if (moe_is_gzip(bytes, size))
    status = inflate_and_parse(call, path, to_floats, bytes, size, out);
  else
    status = parse(call, path, to_floats, bytes, size, out);
  moe_free(bytes);
  return status;
}

/* ------------------------------------------------------------------- writing
 */

enum { BYTES = 0x08, WHOLE = 0x0c, REAL = 0x0d, BLOCK = 4096 };

static unsigned find_code(const moe_tensor *t) {
  if (t->dtype == MOE_F32) return REAL;
  for (size_t i = 0; i < t->n; i++)
    if (t->i[i] < 0 || t->i[i] > UINT8_MAX) return WHOLE;
  return BYTES;
}

static unsigned char *put(unsigned char *to, uint32_t bits, unsigned width) {
  while (width-- > 0) *to++ = (unsigned char)(bits >> 8 * width);
  return to;
}

/* The four bytes of item i, a float32 or an int32. */
static uint32_t bits_of(const moe_tensor *t, size_t i) {
  uint32_t bits;
  memcpy(&bits, (const char *)t->f + i * sizeof bits, sizeof bits);
  return bits;
}

static moe_status write_items(moe_call *call, moe_writer *w,
                              const moe_tensor *t, unsigned width) {
  unsigned char block[BLOCK];
  for (size_t i = 0; i < t->n;) {
    unsigned char *to = block;
    for (; i < t->n && to < block + BLOCK; i++)
      to = put(to, bits_of(t, i), width);
    MOE_TRY(moe_writer_append(call, w, block, (size_t)(to - block)));
  }
  return MOE_OK;
}

moe_status moe_idx_write(moe_call *call, const char *path,
                         const moe_tensor *t) {
  unsigned char head[HEAD + LENGTH * MOE_MAX_DIMS] = {0};
  unsigned code = find_code(t);
  unsigned char *to = put(head + 2, code, 1);
  moe_writer *w;
  for (int d = 0; d < t->ndim; d++)
    if (t->shape[d] > UINT32_MAX)
      return moe_fail(call, MOE_EARG,
                      "'%.200s': an IDX file has lengths below 2^32, not those "
                      "of %s",
                      path, moe_tensor_shape_text(t).text);
  to = put(to, (uint32_t)t->ndim, 1);
  for (int d = 0; d < t->ndim; d++) to = put(to, (uint32_t)t->shape[d], LENGTH);
  MOE_TRY(moe_writer_new(call, path, &w));
  moe_status status = moe_writer_append(call, w, head, (size_t)(to - head));
  if (status == MOE_OK)
    status = write_items(call, w, t, code == BYTES ? 1 : LENGTH);
  if (status == MOE_OK) status = moe_writer_commit(call, w);
  moe_writer_release(w);
  return status;
}
