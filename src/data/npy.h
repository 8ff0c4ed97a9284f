/* NumPy's .npy files: a magic text, a version, a header that is a Python
   dictionary of descr, fortran_order and shape, then the numbers. */
#ifndef MOE_NPY_H
#define MOE_NPY_H

#include "elements.h"

moe_status moe_npy_parse(moe_call *call, const char *what,
                         const unsigned char *bytes, size_t size,
                         moe_tensor **out);
moe_status moe_npy_read(moe_call *call, const char *path, moe_tensor **out);

/* What a .npy file of the tensor begins with; its items, little-endian as they
   are in memory, follow.  Returns the length. */
enum { MOE_NPY_HEAD = 128 };
size_t moe_npy_header(const moe_tensor *t, char head[MOE_NPY_HEAD]);
moe_status moe_npy_write(moe_call *call, const char *path, const moe_tensor *t);

#endif
