/* A type that has one parameter of every kind and one field of every kind, and
   what the programs about it share. */
#ifndef THING_H
#define THING_H

#include "object.h"
#include "promises.h"

typedef struct params {
  int64_t count, seed;
  double rate, limit;
  bool loud;
  int mode, shade;
  char *label;
  moe_reals sizes, factors;
  moe_texts words;
  moe_weights weights;
  moe_object *child;
  moe_children parts;
  bool hook;
} params;

typedef struct state {
  int64_t seen;
  double *fixed;
  float *growing;
  size_t length;
  moe_texts notes;
  moe_labels labels;
  int32_t *derived;
} state;

static const char *const modes[] = {"slow", "quick", NULL};

static const moe_param all_params[] = {
    MOE_P_INT(params, count, 3, 1, 10, "a whole number"),
    MOE_P_ABOVE(params, rate, 0.5, 0, 2, "a number"),
    MOE_P_OPT_REAL(params, limit, -1, 1, "a number or nothing"),
    MOE_P_FLAG(params, loud, true, "yes or no"),
    MOE_P_CHOICE(params, mode, 1, modes, "one of two"),
    {"shade", MOE_CHOICE, offsetof(params, shade), NAN, 0, 0, modes, NULL,
     MOE_OPTIONAL, "one of two or none"},
    MOE_P_TEXT(params, label, "a text"),
    MOE_P_LIST(params, sizes, MOE_INTS, 1, 100, "whole numbers"),
    MOE_P_LIST(params, factors, MOE_REALS, 0, 0x1p53, "numbers"),
    MOE_P_LIST(params, words, MOE_TEXTS, 0, 0, "texts"),
    MOE_P_LIST(params, weights, MOE_WEIGHTS, 0, 0x1p53, "label to number"),
    MOE_P_CHILD(params, child, MOE_CHILD, "thing", MOE_OPTIONAL, "another"),
    MOE_P_CHILD(params, parts, MOE_CHILDREN, "thing", 0, "others"),
    MOE_P_CALLBACK(params, hook, "a function"),
    MOE_P_SEED(params),
    {0}};

static moe_status visit(void *at, moe_visitor *v) {
  state *s = at;
  MOE_TRY(moe_visit_scalar(v, "seen", MOE_I64, &s->seen));
  MOE_TRY(moe_visit_array(v, "fixed", MOE_F64, &s->fixed, 4));
  MOE_TRY(moe_visit_growing(v, "growing", MOE_F32, &s->growing, &s->length));
  MOE_TRY(moe_visit_texts(v, "notes", &s->notes));
  MOE_TRY(moe_visit_labels(v, "labels", &s->labels));
  return moe_visit_derived(v, "derived", MOE_I32, &s->derived, 3);
}

static const moe_type thing = {.name = "thing",
                               .family = "thing",
                               .doc = "Has everything.",
                               .params_size = sizeof(params),
                               .state_size = sizeof(state),
                               .params = all_params,
                               .visit = visit};

/* -------------------------------------------------------------------- tools */

static moe_call call; /* one for the whole program; promises end it */
static long live;     /* blocks before a promise began */

static inline bool clean(void) {
  moe_call_end(&call);
  return moe_alloc_live() == live;
}

static inline moe_object *new_thing(void) {
  moe_object *o = NULL;
  moe_object_new(&call, &thing, &o);
  return o;
}

static inline const params *params_of(const moe_object *o) { return o->params; }

/* A map of one or two names. */
static inline moe_value map_of(const char *name, moe_value value,
                               const char *other, moe_value second) {
  moe_value map;
  moe_map_value(&call, other != NULL ? 2 : 1, &map);
  map.keys[0] = moe_text_value(name);
  map.items[0] = value;
  if (other != NULL) {
    map.keys[1] = moe_text_value(other);
    map.items[1] = second;
  }
  return map;
}

static inline moe_status set(moe_object *o, const char *name, moe_value value) {
  moe_value map = map_of(name, value, NULL, value);
  return moe_object_set(&call, o, &map);
}

static inline moe_value get(const moe_object *o, const char *name) {
  moe_value value = {.kind = MOE_V_NIL};
  moe_object_get(&call, o, moe_type_find_param(o->type, name), &value);
  return value;
}

static inline moe_value number(double x) { return moe_number_value(x); }
static inline moe_value text(const char *t) { return moe_text_value(t); }
static inline moe_value nothing(void) { return (moe_value){.kind = MOE_V_NIL}; }
static inline moe_value object(moe_object *o) {
  return (moe_value){.kind = MOE_V_OBJECT, .object = o};
}

static inline moe_value list(size_t n, moe_value a, moe_value b) {
  moe_value out;
  moe_list_value(&call, n, &out);
  if (n > 0) out.items[0] = a;
  if (n > 1) out.items[1] = b;
  return out;
}

/* A thing with parts a and b, and a child; *a and *child are borrowed. */
static inline moe_object *new_family(moe_object **a, moe_object **child) {
  moe_object *o = new_thing(), *b = new_thing();
  *a = new_thing();
  *child = new_thing();
  set(o, "parts", map_of("b", object(b), "a", object(*a)));
  set(o, "child", object(*child));
  moe_object_release(*a);
  moe_object_release(b);
  moe_object_release(*child);
  return o;
}

#endif
