/* Tensors by name in safetensors files, as networks are exchanged, and as
   text, as they stand in the state of an object written in the host's
   language. */
#ifndef MOE_TENSOR_FILE_H
#define MOE_TENSOR_FILE_H

#include "elements.h"

moe_status moe_tensors_read(moe_call *call, const char *path,
                            moe_named_tensors *out);
moe_status moe_tensors_write(moe_call *call, const char *path,
                             const moe_named_tensors *s);

/* A safetensors file in base64 (RFC 4648), freed with moe_free. */
moe_status moe_tensors_print(moe_call *call, const moe_named_tensors *s,
                             char **text, size_t *size);
moe_status moe_tensors_parse(moe_call *call, const char *text, size_t size,
                             moe_named_tensors *out);

#endif
