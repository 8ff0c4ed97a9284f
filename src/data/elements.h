/* Arrays of numbers as files have them, of many types and either byte order,
   made into tensors.  Integers and truth values become int32, which they must
   fit; real numbers float32: float16 and bfloat16 exactly, doubles rounded to
   the nearest, and refused where they are finite and float32 has none as
   large.  Nothing is allocated before the bytes are known to be there. */
#ifndef MOE_ELEMENTS_H
#define MOE_ELEMENTS_H

#include "tensor.h"

typedef enum moe_element_kind {
  MOE_E_SIGNED,
  MOE_E_UNSIGNED,
  MOE_E_BOOL,
  MOE_E_REAL,
  MOE_E_BFLOAT
} moe_element_kind;

typedef struct moe_elements {
  moe_element_kind kind;
  unsigned width; /* bytes: 1, 2, 4 or 8 */
  bool big;       /* the most significant byte is the first */
  bool to_floats; /* float32 whatever the kind */
} moe_elements;

/* The tensor of that shape (none: of one item) in exactly `size` bytes.
   `what` names it in errors: MOE_EFORMAT, or MOE_EUNSUPPORTED for more than
   four dimensions. */
moe_status moe_elements_read(moe_call *call, const char *what,
                             const moe_elements *e, size_t n_dims,
                             const size_t *shape, const unsigned char *bytes,
                             size_t size, moe_tensor **out);

/* Tensors by name, as archives hold them. */
typedef struct moe_named_tensors {
  moe_tensor **items; /* counted */
  char **names;       /* owned */
  size_t n, items_room, names_room;
} moe_named_tensors;

moe_status moe_named_tensors_new(moe_call *call, moe_named_tensors **out);

/* Takes over the tensor, also when it fails; copies the name. */
moe_status moe_named_tensors_add(moe_call *call, moe_named_tensors *s,
                                 const char *name, size_t length,
                                 moe_tensor *t);
void moe_named_tensors_release(void *s); /* accepts NULL */

#endif
