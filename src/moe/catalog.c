#include "catalog.h"

#include <string.h>

#include "drift.h"
#include "learner.h"
#include "transform.h"

#define LEARNER(name) extern const moe_learner_type moe_##name;
#define GATE(name) extern const moe_learner_type moe_##name;
#define TRANSFORM(name) extern const moe_transform_type moe_##name;
#define DETECTOR(name) extern const moe_drift_type moe_##name;
#define OPTIONS(name) extern const moe_type moe_##name;
#include "catalog.def"
#undef LEARNER
#undef GATE
#undef TRANSFORM
#undef DETECTOR
#undef OPTIONS

const moe_type *const moe_catalog[] = {
#define LEARNER(name) &moe_##name.type,
#define GATE(name) &moe_##name.type,
#define TRANSFORM(name) &moe_##name.type,
#define DETECTOR(name) &moe_##name.type,
#define OPTIONS(name) &moe_##name,
#include "catalog.def"
#undef LEARNER
#undef GATE
#undef TRANSFORM
#undef DETECTOR
#undef OPTIONS
    NULL};

const moe_type *moe_catalog_find(const char *family, const char *name) {
  for (const moe_type *const *t = moe_catalog; *t != NULL; t++)
    if (strcmp((*t)->family, family) == 0 && strcmp((*t)->name, name) == 0)
      return *t;
  return NULL;
}
