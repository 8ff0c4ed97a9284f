/* The names of columns: counted and constant, so that views share them. */
#ifndef MOE_NAMES_H
#define MOE_NAMES_H

#include "object.h"

typedef struct moe_names {
  atomic_int refs;
  moe_texts texts;
} moe_names;

/* Copies of n texts, one reference.  Two equal names are refused, since a
   column is found by its name. */
moe_status moe_names_new(moe_call *call, size_t n, const char *const *texts,
                         moe_names **out);
moe_names *moe_names_retain(moe_names *names);                /* accepts NULL */
void moe_names_release(moe_names *names);                     /* accepts NULL */
bool moe_names_equal(const moe_names *a, const moe_names *b); /* or both NULL */

/* MOE_EARG unless there is one for each of `columns`, or names is NULL. */
moe_status moe_names_check(moe_call *call, const moe_names *names,
                           size_t columns);

#endif
