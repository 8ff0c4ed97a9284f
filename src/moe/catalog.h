/* The types that there are.  Nothing below this file looks one up by name. */
#ifndef MOE_CATALOG_H
#define MOE_CATALOG_H

#include "object.h"

/* All of them, NULL-ended, in the order of the catalog. */
extern const moe_type *const moe_catalog[];

/* NULL when there is none.  Family "learner", "gate", "transform" or
 * "streaming". */
const moe_type *moe_catalog_find(const char *family, const char *name);

#endif
