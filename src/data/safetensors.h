/* The safetensors container: eight bytes of header length, a JSON header that
   names every tensor with its place, then the tensors' bytes without a gap.
   Files are little-endian.  Bytes from strangers are safe to read. */
#ifndef MOE_SAFETENSORS_H
#define MOE_SAFETENSORS_H

#include "memory.h"

/* Element types, the one of the greatest alignment last: name and bits. */
/* clang-format off */
#define MOE_ST_MAP(X) \
  X(BOOL, 8) X(F4, 4) X(F6_E2M3, 6) X(F6_E3M2, 6) X(U8, 8) X(I8, 8) \
  X(F8_E5M2, 8) X(F8_E4M3, 8) X(F8_E8M0, 8) X(F8_E4M3FNUZ, 8) \
  X(F8_E5M2FNUZ, 8) X(I16, 16) X(U16, 16) X(F16, 16) X(BF16, 16) \
  X(I32, 32) X(U32, 32) X(F32, 32) X(C64, 64) X(F64, 64) X(I64, 64) \
  X(U64, 64)
/* clang-format on */

typedef enum moe_st_dtype {
#define X(name, bits) MOE_ST_##name,
  MOE_ST_MAP(X)
#undef X
} moe_st_dtype;

const char *moe_st_name(moe_st_dtype dtype);

typedef struct moe_safetensor {
  const char *name;
  moe_st_dtype dtype;
  size_t n_dims;
  const size_t *shape; /* row-major; no dimensions: a scalar */
  const void *bytes;   /* perhaps not aligned in what was read */
  size_t size;         /* of bytes: what dtype and shape make */
} moe_safetensor;

typedef struct moe_st_pair {
  const char *key, *text;
} moe_st_pair;

typedef struct moe_safetensors {
  moe_safetensor *items;
  size_t n;
  moe_st_pair *metadata;
  size_t n_metadata;
  char *text;   /* owned by what was read: names, keys and texts … */
  size_t *dims; /* … and shapes */
} moe_safetensors;

enum { MOE_ST_LONGEST_HEADER = 100000000 };

/* Reads the container in `bytes`, which must stay: items point into it.  Items
   and metadata are ordered by name.  MOE_EFORMAT where the file breaks a rule
   of the format; the memory taken is a small multiple of the header's length
   whatever it says.  `out` is freed by moe_safetensors_free after success. */
moe_status moe_safetensors_read(moe_call *call, const unsigned char *bytes,
                                size_t size, moe_safetensors *out);
void moe_safetensors_free(moe_safetensors *s);

/* NULL when there is none of that name. */
const moe_safetensor *moe_safetensors_find(const moe_safetensors *s,
                                           const char *name);
const char *moe_safetensors_metadata(const moe_safetensors *s, const char *key);

/* Puts the items into the order of the file (element types from the last of
   the map to the first, then names by byte) and makes what the file begins
   with, length included; freed with moe_free.  After it the items' bytes
   follow in their new order.  The items' sizes are filled in. */
moe_status moe_safetensors_header(moe_call *call, moe_safetensors *s,
                                  char **header, size_t *size);

#endif
