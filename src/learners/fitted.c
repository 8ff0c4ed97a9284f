/* Whether what every learner's state begins with may be trusted. */
#include <math.h>
#include <string.h>

#include "learner.h"

static moe_status refuse(moe_call *call, const moe_object *o,
                         const char *what) {
  return moe_fail(call, MOE_EFORMAT, "%s: %s", o->type->name, what);
}

/* The task is one that the type performs. */
static bool task_fits(const moe_object *o, const moe_fitted *f) {
  static const unsigned traits[] = {[MOE_REGRESSION] = MOE_REGRESSES,
                                    [MOE_CLASSIFICATION] = MOE_CLASSIFIES,
                                    [MOE_GATING] = MOE_GATES};
  return (size_t)f->task < sizeof traits / sizeof *traits &&
         (moe_learner_type_of(o)->traits & traits[f->task]);
}

/* Columns, classes and their products are counted in 32 and 64 bits. */
static bool counts_fit(const moe_object *o, const moe_fitted *f) {
  bool wide = f->task != MOE_REGRESSION ||
              (moe_learner_type_of(o)->traits & MOE_MULTI_OUTPUT);
  return f->n_features >= 1 && f->n_features <= INT32_MAX &&
         f->n_outputs >= 1 && f->n_outputs <= (wide ? INT32_MAX : 1) &&
         moe_is_count(f->n_seen);
}

/* Classes in their order. */
static bool classes_fit(const moe_labels *l) {
  for (size_t i = 0; i < l->n; i++) {
    if (l->items[i].kind == MOE_L_NUMBER && isnan(l->items[i].number))
      return false;
    if (i > 0 && moe_label_compare(&l->items[i - 1], &l->items[i]) >= 0)
      return false;
  }
  return true;
}

/* The experts' names, which a gate may know. */
static bool names_fit(const moe_labels *l) {
  for (size_t i = 0; i < l->n; i++)
    if (l->items[i].kind != MOE_L_TEXT) return false;
  return true;
}

static bool labels_fit(const moe_fitted *f) {
  const moe_labels *l = &f->labels;
  switch (f->task) {
    case MOE_REGRESSION: return l->n == 0;
    case MOE_CLASSIFICATION: return l->n == f->n_outputs && classes_fit(l);
    case MOE_GATING: return l->n == 0 || (l->n == f->n_outputs && names_fit(l));
  }
  return false;
}

static bool columns_fit(const moe_fitted *f) {
  const moe_intake *in = &f->intake;
  if (f->schema.names.n != 0 && f->schema.names.n != f->schema.n) return false;
  if (!in->open) return f->schema.n == f->n_features;
  return in->n == f->schema.n && moe_intake_is_sound(in) &&
         f->n_features == moe_intake_width(in);
}

moe_status moe_fitted_check(moe_call *call, const moe_object *o) {
  const moe_fitted *f = o->state;
  if (!task_fits(o, f)) return refuse(call, o, "it does not do such a task");
  if (!counts_fit(o, f))
    return refuse(call, o, "the numbers of columns, outputs or rows are wrong");
  if (!columns_fit(f))
    return refuse(call, o, "the columns are not those that it was trained on");
  if (!labels_fit(f))
    return refuse(call, o,
                  "the classes are not in order, or not one an output");
  return MOE_OK;
}
