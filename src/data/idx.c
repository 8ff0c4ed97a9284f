#include "idx.h"

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
