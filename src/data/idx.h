/* IDX files, those of MNIST: two zero bytes, one for the type, one for the
   number of dimensions, their lengths, the numbers; all with the most
   significant byte first.  Gzipped ones are inflated (inflate.h). */
#ifndef MOE_IDX_H
#define MOE_IDX_H

#include "elements.h"

/* With to_floats integers become float32 too. */
moe_status moe_idx_read(moe_call *call, const char *path, bool to_floats,
                        moe_tensor **out);

/* float32, int32, or bytes where all integers are such. */
moe_status moe_idx_write(moe_call *call, const char *path, const moe_tensor *t);

#endif
