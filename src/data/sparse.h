/* The sparse matrix: compressed rows of float32 with their owner.  Memory in
   proportion to the entries, whatever the number of columns. */
#ifndef MOE_SPARSE_H
#define MOE_SPARSE_H

#include "names.h"
#include "rows.h"

typedef struct moe_sparse {
  atomic_int refs;
  moe_csr csr; /* of a view: row starts count from its base's first entry */
  moe_names *names;        /* counted; of the columns, or NULL */
  struct moe_sparse *base; /* counted; the owner of what a view shows */
} moe_sparse;

/* Takes over three blocks of moe_alloc, also on failure: `rows`+1 starts and
   the entries that they bound.  Refuses what is out of range or order, and
   values that are not finite. */
moe_status moe_sparse_adopt(moe_call *call, size_t rows, size_t columns,
                            int64_t *start, int32_t *index, float *value,
                            moe_sparse **out);

/* From n entries in any order, rows and columns counted from 0.  Two entries
   in the same place are refused. */
typedef struct moe_triplet {
  int64_t row, column;
  double value;
} moe_triplet;
moe_status moe_sparse_from_triplets(moe_call *call, size_t rows, size_t columns,
                                    size_t n, const moe_triplet *triplets,
                                    moe_sparse **out);

moe_sparse *moe_sparse_retain(moe_sparse *s);
void moe_sparse_release(moe_sparse *s); /* accepts NULL */

size_t moe_sparse_entries(const moe_sparse *s);
size_t moe_sparse_bytes(const moe_sparse *s);

/* Rows first … first+n−1: a view, with the names. */
moe_status moe_sparse_rows(moe_call *call, moe_sparse *s, int64_t first,
                           int64_t n, moe_sparse **out);

/* The rows pick[0 … n−1], each in [0, rows): a copy, with the names. */
moe_status moe_sparse_select(moe_call *call, const moe_sparse *s,
                             const int32_t *pick, size_t n, moe_sparse **out);

/* The matrix takes a reference of its own; NULL takes the names away. */
moe_status moe_sparse_set_names(moe_call *call, moe_sparse *s,
                                moe_names *names);

#endif
