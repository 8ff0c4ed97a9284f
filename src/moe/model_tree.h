/* Private to the model file: a tree of objects to and from its two parts, the
   JSON text and the tensors. */
#ifndef MOE_MODEL_TREE_H
#define MOE_MODEL_TREE_H

#include "json.h"
#include "model_file.h"
#include "safetensors.h"

enum { MOE__MOST_CHILDREN = 1 << 14 /* each is compared with each */ };

/* Writes the tree to `json` and adds its arrays to `tensors`: they point into
   the objects, their names and shapes into the call's scratch.  The items are
   freed by the caller, also after a failure. */
moe_status moe__tree_save(moe_call *call, const moe_object *o,
                          moe_json_out *json, moe_safetensors *tensors);

/* Reads the tree; the text changes.  Every tensor must be used. */
moe_status moe__tree_load(moe_call *call, moe_find_type find, char *text,
                          const moe_safetensors *tensors, moe_object **out);

/* The element type that a state's array has in the file. */
moe_st_dtype moe__st_dtype(moe_dtype dtype);

/* "experts.scope" and "nodes" give "experts.scope.nodes"; `leave` takes what
   `enter` gave. */
size_t moe__path_enter(moe_json_out *path, const char *name);
void moe__path_leave(moe_json_out *path, size_t before);

#endif
