#include "tensor_file.h"

#include <string.h>

#include "base64.h"
#include "file.h"
#include "safetensors.h"

static const struct {
  moe_st_dtype dtype;
  moe_elements e;
} types[] = {
    {MOE_ST_BOOL, {MOE_E_BOOL, 1, false, false}},
    {MOE_ST_U8, {MOE_E_UNSIGNED, 1, false, false}},
    {MOE_ST_I8, {MOE_E_SIGNED, 1, false, false}},
    {MOE_ST_I16, {MOE_E_SIGNED, 2, false, false}},
    {MOE_ST_U16, {MOE_E_UNSIGNED, 2, false, false}},
    {MOE_ST_F16, {MOE_E_REAL, 2, false, false}},
    {MOE_ST_BF16, {MOE_E_BFLOAT, 2, false, false}},
    {MOE_ST_I32, {MOE_E_SIGNED, 4, false, false}},
    {MOE_ST_U32, {MOE_E_UNSIGNED, 4, false, false}},
    {MOE_ST_F32, {MOE_E_REAL, 4, false, false}},
    {MOE_ST_F64, {MOE_E_REAL, 8, false, false}},
    {MOE_ST_I64, {MOE_E_SIGNED, 8, false, false}},
    {MOE_ST_U64, {MOE_E_UNSIGNED, 8, false, false}},
};

static moe_status read_one(moe_call *call, const moe_safetensor *item,
                           moe_named_tensors *out) {
  const moe_elements *e = NULL;
  moe_tensor *t;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i].dtype == item->dtype) e = &types[i].e;
  if (e == NULL)
    return moe_fail(call, MOE_EUNSUPPORTED,
                    "tensor '%.80s': no tensor here has the elements %s",
                    item->name, moe_st_name(item->dtype));
  MOE_TRY(moe_elements_read(call, item->name, e, item->n_dims, item->shape,
                            item->bytes, item->size, &t));
  return moe_named_tensors_add(call, out, item->name, strlen(item->name), t);
}

static moe_status read_bytes(moe_call *call, const unsigned char *bytes,
                             size_t size, moe_named_tensors *out) {
  moe_safetensors s;
  moe_status status = moe_safetensors_read(call, bytes, size, &s);
  if (status != MOE_OK) return status;
  for (size_t i = 0; status == MOE_OK && i < s.n; i++)
    status = read_one(call, &s.items[i], out);
  moe_safetensors_free(&s);
  return status;
}

moe_status moe_tensors_read(moe_call *call, const char *path,
                            moe_named_tensors *out) {
  unsigned char *bytes;
  size_t size;
  MOE_TRY(moe_file_read(call, path, SIZE_MAX / 4, &bytes, &size));
  moe_status status = read_bytes(call, bytes, size, out);
  moe_free(bytes);
  return status;
}

/* ------------------------------------------------------------------- writing
   A sink takes the bytes: a file, or the text. */

typedef struct sink {
  moe_call *call;
  moe_writer *file; /* or … */
  unsigned char *bytes;
  size_t n, room;
} sink;

static moe_status give(sink *to, const void *bytes, size_t size) {
  if (to->file != NULL)
    return moe_writer_append(to->call, to->file, bytes, size);
  MOE_TRY(moe_reserve(to->call, &to->bytes, &to->room, to->n, size + 1, 1));
  if (size > 0) memcpy(to->bytes + to->n, bytes, size);
  to->n += size;
  return MOE_OK;
}

static void describe(const moe_named_tensors *s, moe_safetensor *items,
                     size_t *shapes) {
  for (size_t i = 0; i < s->n; i++) {
    const moe_tensor *t = s->items[i];
    for (int d = 0; d < t->ndim; d++) shapes[d] = (size_t)t->shape[d];
    items[i] =
        (moe_safetensor){.name = s->names[i],
                         .dtype = t->dtype == MOE_F32 ? MOE_ST_F32 : MOE_ST_I32,
                         .n_dims = (size_t)t->ndim,
                         .shape = shapes,
                         .bytes = t->f};
    shapes += t->ndim;
  }
}

static moe_status write_to(sink *to, const moe_named_tensors *s) {
  moe_safetensors file = {.n = s->n};
  size_t *shapes, size;
  char *header;
  MOE_SCRATCH(to->call, file.items, s->n);
  MOE_SCRATCH(to->call, shapes, s->n * MOE_MAX_DIMS);
  describe(s, file.items, shapes);
  MOE_TRY(moe_safetensors_header(to->call, &file, &header, &size));
  moe_status status = give(to, header, size);
  moe_free(header);
  for (size_t i = 0; status == MOE_OK && i < file.n; i++)
    status = give(to, file.items[i].bytes, file.items[i].size);
  return status;
}

moe_status moe_tensors_write(moe_call *call, const char *path,
                             const moe_named_tensors *s) {
  sink to = {.call = call};
  MOE_TRY(moe_writer_new(call, path, &to.file));
  moe_status status = write_to(&to, s);
  if (status == MOE_OK) status = moe_writer_commit(call, to.file);
  moe_writer_release(to.file);
  return status;
}

/* ---------------------------------------------------------------------- text
 */

moe_status moe_tensors_print(moe_call *call, const moe_named_tensors *s,
                             char **text, size_t *size) {
  sink to = {.call = call};
  moe_status status = write_to(&to, s);
  *text = NULL;
  if (status == MOE_OK)
    status = moe_base64_print(call, to.bytes, to.n, text, size);
  moe_free(to.bytes);
  return status;
}

moe_status moe_tensors_parse(moe_call *call, const char *text, size_t size,
                             moe_named_tensors *out) {
  unsigned char *bytes;
  size_t n;
  MOE_TRY(moe_base64_parse(call, text, size, &bytes, &n));
  moe_status status = read_bytes(call, bytes, n, out);
  moe_free(bytes);
  return status;
}
