/* Private to core: the storage of parameters. */
#ifndef MOE_PARAM_H
#define MOE_PARAM_H

#include "object.h"

/* What any field of a params struct can hold. */
typedef union moe_cell {
  int64_t i;
  double r;
  bool flag;
  int choice;
  char *text;
  moe_reals reals;
  moe_texts texts;
  moe_weights weights;
  moe_object *child;
  moe_children children;
} moe_cell;

size_t moe__param_size(moe_kind kind);

/* Where the object has the parameter. */
static inline void *moe__param_field(const moe_object *o, const moe_param *p) {
  return (char *)o->params + p->offset;
}
void moe__cell_default(const moe_param *p, moe_cell *cell);
void moe__cell_absent(const moe_param *p, moe_cell *cell);
void moe__cell_free(const moe_param *p, moe_cell *cell);

/* Lists the objects in the parameters anew, for whom there is room. */
void moe__object_gather(moe_object *o);

/* False when there is no room at its depth for the object with all below it;
   with `move` what is below it goes as deep as it must. */
bool moe__object_place(moe_object *o, bool move);

void moe__texts_free(moe_texts *t);
void moe__children_free(moe_children *c);

#endif
