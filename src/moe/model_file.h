/* Objects as files and as bytes: safetensors containers whose metadata holds
   the tree of objects as JSON and whose tensors are the arrays of their states
   (docs/file_format.md).  Loading runs nothing that the file says, and bytes
   from strangers are safe to load: they give an object whose functions stay in
   bounds, or MOE_EFORMAT. */
#ifndef MOE_MODEL_FILE_H
#define MOE_MODEL_FILE_H

#include "object.h"

/* The type of that family and name, or NULL. */
typedef const moe_type *(*moe_find_type)(const char *family, const char *name);

/* The object with all below it; *bytes is freed with moe_free. */
moe_status moe_model_dump(moe_call *call, moe_object *o, unsigned char **bytes,
                          size_t *size);
moe_status moe_model_undump(moe_call *call, moe_find_type find,
                            const unsigned char *bytes, size_t size,
                            moe_object **out);

/* Whatever happens, the path holds what it held before or all of the model. */
moe_status moe_model_save(moe_call *call, moe_object *o, const char *path);
moe_status moe_model_load(moe_call *call, moe_find_type find, const char *path,
                          moe_object **out);

#endif
