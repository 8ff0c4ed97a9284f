/* NumPy's .npz files: a zip archive (APPNOTE 6.3, below 4 GiB) of .npy files.
   Members are stored, or deflated (inflate.h); written ones are stored. */
#ifndef MOE_NPZ_H
#define MOE_NPZ_H

#include "elements.h"

/* By name, without ".npy". */
moe_status moe_npz_read(moe_call *call, const char *path,
                        moe_named_tensors *out);
moe_status moe_npz_write(moe_call *call, const char *path,
                         const moe_named_tensors *s);

#endif
