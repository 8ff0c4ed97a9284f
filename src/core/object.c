/* Life of an object: new, retain, release, clone, reset; and the walks over
   its state that free, copy and weigh it. */
#include "object.h"

#include <math.h>
#include <string.h>

#include "param.h"

size_t moe_dtype_size(moe_dtype dtype) {
  static const size_t sizes[] = {[MOE_F64] = 8, [MOE_F32] = 4, [MOE_I64] = 8,
                                 [MOE_I32] = 4, [MOE_U8] = 1,  [MOE_BF16] = 2};
  return sizes[dtype];
}

/* ------------------------------------------------------------------ visits */

moe_status moe_visit_scalar(moe_visitor *v, const char *name, moe_dtype dtype,
                            void *at) {
  moe_field f = {name, MOE_FIELD_SCALAR, dtype, at, 1, NULL, false};
  return v->field(v, &f);
}

moe_status moe_visit_array(moe_visitor *v, const char *name, moe_dtype dtype,
                           void *at, size_t n) {
  moe_field f = {name, MOE_FIELD_ARRAY, dtype, at, n, NULL, false};
  return v->field(v, &f);
}

moe_status moe_visit_growing(moe_visitor *v, const char *name, moe_dtype dtype,
                             void *at, size_t *length) {
  moe_field f = {name, MOE_FIELD_GROWING, dtype, at, *length, length, false};
  return v->field(v, &f);
}

moe_status moe_visit_texts(moe_visitor *v, const char *name, moe_texts *at) {
  moe_field f = {name, MOE_FIELD_TEXTS, MOE_U8, at, at->n, NULL, false};
  return v->field(v, &f);
}

moe_status moe_visit_labels(moe_visitor *v, const char *name, moe_labels *at) {
  moe_field f = {name, MOE_FIELD_LABELS, MOE_U8, at, at->n, NULL, false};
  return v->field(v, &f);
}

moe_status moe_visit_children(moe_visitor *v, const char *name,
                              moe_children *at) {
  moe_field f = {.name = name, .kind = MOE_FIELD_CHILDREN, .at = at};
  return v->field(v, &f);
}

moe_status moe_visit_derived(moe_visitor *v, const char *name, moe_dtype dtype,
                             void *at, size_t n) {
  moe_field f = {name, MOE_FIELD_ARRAY, dtype, at, n, NULL, true};
  return v->field(v, &f);
}

static bool is_children(moe_kind kind) {
  return kind == MOE_CHILD || kind == MOE_CHILDREN;
}

static moe_status visit_children(moe_object *o, moe_visitor *v) {
  for (const moe_param *p = o->type->params; p->name != NULL; p++) {
    if (!is_children(p->kind)) continue;
    moe_field f = {.name = p->name, .at = moe__param_field(o, p)};
    f.kind = p->kind == MOE_CHILD ? MOE_FIELD_CHILD : MOE_FIELD_CHILDREN;
    MOE_TRY(v->field(v, &f));
  }
  return MOE_OK;
}

moe_status moe_object_visit(moe_object *o, moe_visitor *v) {
  MOE_TRY(visit_children(o, v));
  return o->state != NULL ? o->type->visit(o->state, v) : MOE_OK;
}

/* ------------------------------------------------------------------- state */

moe_status moe_state_new(moe_call *call, const moe_type *type, void **out) {
  return moe_new_array(call, out, 1, type->state_size);
}

static moe_status free_field(moe_visitor *v, const moe_field *f) {
  (void)v;
  if (f->kind == MOE_FIELD_TEXTS) moe__texts_free(f->at);
  if (f->kind == MOE_FIELD_LABELS) moe_labels_free(f->at);
  if (f->kind == MOE_FIELD_CHILDREN) moe__children_free(f->at);
  if (f->kind == MOE_FIELD_ARRAY || f->kind == MOE_FIELD_GROWING) {
    void **array = f->at;
    moe_free(*array);
    *array = NULL;
  }
  return MOE_OK;
}

void moe_state_free(const moe_type *type, void *state) {
  moe_visitor v = {free_field};
  if (state == NULL) return;
  type->visit(state, &v);
  moe_free(state);
}

/* Walks a byte-wise copy: each pointer it finds is the original's, and becomes
   a copy's, or NULL once memory has run out, so that the walk always ends. */
typedef struct copier {
  moe_visitor visitor;
  moe_call *call;
  bool failed;
} copier;

static void copy_texts(copier *c, moe_texts *t) {
  char **original = t->items;
  t->items =
      c->failed || original == NULL ? NULL : moe_alloc(t->n, sizeof *t->items);
  if (t->items == NULL) {
    c->failed = c->failed || original != NULL;
    t->n = 0;
    return;
  }
  for (size_t i = 0; i < t->n && !c->failed; i++) {
    t->items[i] = moe_copy_text(original[i]);
    c->failed = t->items[i] == NULL;
  }
}

static void copy_labels(copier *c, moe_labels *l) {
  moe_labels original = *l;
  *l = (moe_labels){0};
  if (original.items == NULL || c->failed) return;
  c->failed = moe_labels_copy(c->call, &original, l) != MOE_OK;
}

static void copy_children(copier *c, moe_children *to) {
  moe_children from = *to;
  *to = (moe_children){.numbered = from.numbered};
  if (c->failed || from.items == NULL) return;
  to->names = moe_alloc(from.n, sizeof *to->names);
  to->items = moe_alloc(from.n, sizeof *to->items);
  c->failed = to->names == NULL || to->items == NULL;
  for (; to->n < from.n && !c->failed; to->n++) {
    to->names[to->n] = moe_copy_text(from.names[to->n]);
    c->failed = to->names[to->n] == NULL ||
                moe_object_clone(c->call, from.items[to->n],
                                 &to->items[to->n]) != MOE_OK;
  }
}

static moe_status copy_field(moe_visitor *v, const moe_field *f) {
  copier *c = (copier *)v;
  if (f->kind == MOE_FIELD_TEXTS) copy_texts(c, f->at);
  if (f->kind == MOE_FIELD_LABELS) copy_labels(c, f->at);
  if (f->kind == MOE_FIELD_CHILDREN) copy_children(c, f->at);
  if (f->kind == MOE_FIELD_ARRAY || f->kind == MOE_FIELD_GROWING) {
    void **array = f->at;
    if (*array == NULL) return MOE_OK;
    *array =
        c->failed ? NULL : moe_copy(*array, f->n, moe_dtype_size(f->dtype));
    c->failed = c->failed || *array == NULL;
  }
  return MOE_OK;
}

moe_status moe_state_clone(moe_call *call, const moe_type *type,
                           const void *state, void **out) {
  copier c = {{copy_field}, call, false};
  *out = moe_copy(state, 1, type->state_size);
  if (*out != NULL) type->visit(*out, &c.visitor);
  if (*out != NULL && !c.failed) return MOE_OK;
  moe_state_free(type, *out);
  *out = NULL;
  return moe_fail(call, MOE_ENOMEM, "not enough memory to copy a %s",
                  type->name);
}

/* ----------------------------------------------------------------- objects */

moe_status moe_object_new(moe_call *call, const moe_type *type,
                          moe_object **out) {
  moe_object *o;
  *out = NULL;
  MOE_TRY(moe_new_array(call, &o, 1, sizeof *o));
  o->type = type;
  atomic_init(&o->refs, 1);
  if (moe_new_array(call, &o->params, 1, type->params_size) != MOE_OK) {
    moe_free(o);
    return MOE_ENOMEM;
  }
  for (const moe_param *p = type->params; p->name != NULL; p++) {
    moe_cell cell;
    moe__cell_default(p, &cell);
    memcpy(moe__param_field(o, p), &cell, moe__param_size(p->kind));
  }
  *out = o;
  return MOE_OK;
}

moe_object *moe_object_retain(moe_object *o) {
  atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
  return o;
}

void moe_object_release(moe_object *o) {
  if (o == NULL || atomic_fetch_sub(&o->refs, 1) > 1) return;
  moe_state_free(o->type, o->state);
  for (const moe_param *p = o->type->params; p->name != NULL; p++) {
    moe_cell cell = {0};
    memcpy(&cell, moe__param_field(o, p), moe__param_size(p->kind));
    moe__cell_free(p, &cell);
  }
  moe_free(o->below);
  moe_free(o->params);
  moe_free(o);
}

static void list_below(moe_object *o, moe_object *const *items, size_t n) {
  for (size_t i = 0; i < n; i++) o->below[o->n_below++] = items[i];
}

static bool is_learned(const moe_param *p) {
  return (p->flags & MOE_LEARNED) != 0;
}

/* Those that were set, or those that go with the state. */
static void gather(moe_object *o, bool learned) {
  for (const moe_param *p = o->type->params; p->name != NULL; p++) {
    void *const at = moe__param_field(o, p);
    const moe_children *many = at;
    moe_object *const *one = at;
    if (is_learned(p) != learned) continue;
    if (p->kind == MOE_CHILD) list_below(o, one, *one != NULL);
    if (p->kind == MOE_CHILDREN) list_below(o, many->items, many->n);
  }
}

void moe__object_gather(moe_object *o) {
  o->n_below = 0;
  gather(o, false);
  gather(o, true);
}

/* Of the objects below, those that another of the same shape has too. */
static size_t count_set(const moe_object *o) {
  size_t n = o->n_below;
  for (const moe_param *p = o->type->params; p->name != NULL; p++)
    if (is_learned(p)) n -= ((moe_children *)moe__param_field(o, p))->n;
  return n;
}

static void exchange_cells(const moe_param *p, moe_object *a, moe_object *b) {
  void *x = moe__param_field(a, p), *y = moe__param_field(b, p);
  size_t size = moe__param_size(p->kind);
  moe_cell held;
  memcpy(&held, x, size);
  memcpy(x, y, size);
  memcpy(y, &held, size);
}

static void exchange_learned(moe_object *a, moe_object *b) {
  moe_object **below = a->below;
  size_t room = a->room_below;
  for (const moe_param *p = a->type->params; p->name != NULL; p++)
    if (is_learned(p)) exchange_cells(p, a, b);
  a->below = b->below;
  a->room_below = b->room_below;
  b->below = below;
  b->room_below = room;
  moe__object_gather(a);
  moe__object_gather(b);
}

static void forget_learned(moe_object *o) {
  for (const moe_param *p = o->type->params; p->name != NULL; p++) {
    void *at = moe__param_field(o, p);
    moe_cell cell = {0};
    if (!is_learned(p)) continue;
    memcpy(&cell, at, moe__param_size(p->kind));
    moe__cell_free(p, &cell);
    moe__cell_absent(p, &cell);
    memcpy(at, &cell, moe__param_size(p->kind));
    moe__object_gather(o);
  }
}

/* Replaces the objects in a parameter's value by clones; those made so far are
   in the value even when one fails, the rest NULL. */
static moe_status clone_children(moe_call *call, moe_value *v) {
  size_t n = v->kind == MOE_V_OBJECT ? 1 : v->n;
  moe_value *items = v->kind == MOE_V_OBJECT ? v : v->items;
  moe_status status = MOE_OK;
  for (size_t i = 0; i < n; i++) {
    moe_object *original = items[i].object;
    items[i].object = NULL;
    if (status == MOE_OK)
      status = moe_object_clone(call, original, &items[i].object);
  }
  return status;
}

static void release_children(moe_value *v) {
  if (v->kind == MOE_V_OBJECT) moe_object_release(v->object);
  for (size_t i = 0; i < v->n; i++) moe_object_release(v->items[i].object);
}

static moe_status clone_param(moe_call *call, const moe_object *from,
                              const moe_param *p, moe_object *to) {
  moe_value map, value;
  bool children = p->kind == MOE_CHILD || p->kind == MOE_CHILDREN;
  moe_status status = MOE_OK;
  MOE_TRY(moe_map_value(call, 1, &map));
  MOE_TRY(moe_object_get(call, from, p, &value));
  if (children) status = clone_children(call, &value);
  map.keys[0] = moe_text_value(p->name);
  map.items[0] = value;
  if (status == MOE_OK && value.kind != MOE_V_NIL)
    status = moe_object_set(call, to, &map);
  if (children) release_children(&value);
  return status;
}

static moe_status fill_clone(moe_call *call, const moe_object *from,
                             moe_object *to) {
  for (const moe_param *p = from->type->params; p->name != NULL; p++) {
    moe_value value;
    MOE_TRY(moe_object_get(call, from, p, &value));
    if (value.kind == MOE_V_NIL && (p->flags & MOE_OPTIONAL)) {
      moe_cell absent;
      moe__cell_absent(p, &absent);
      memcpy(moe__param_field(to, p), &absent, moe__param_size(p->kind));
    } else {
      MOE_TRY(clone_param(call, from, p, to));
    }
  }
  if (from->state != NULL)
    MOE_TRY(moe_state_clone(call, from->type, from->state, &to->state));
  return from->type->cloned != NULL ? from->type->cloned(call, from, to)
                                    : MOE_OK;
}

moe_status moe_object_clone(moe_call *call, const moe_object *o,
                            moe_object **out) {
  moe_status status = moe_object_new(call, o->type, out);
  if (status == MOE_OK) status = fill_clone(call, o, *out);
  if (status == MOE_OK) return MOE_OK;
  moe_object_release(*out);
  *out = NULL;
  return status;
}

void *moe_object_swap_state(moe_object *o, void *state) {
  void *before = o->state;
  o->state = state;
  moe_object_count_change(o);
  return before;
}

void moe_object_exchange_states(moe_object *a, moe_object *b) {
  size_t n = count_set(a);
  moe_object_swap_state(a, moe_object_swap_state(b, a->state));
  if (n < a->n_below || count_set(b) < b->n_below) exchange_learned(a, b);
  for (size_t i = 0; i < n; i++)
    moe_object_exchange_states(a->below[i], b->below[i]);
}

/* What lives in the host, of `most` objects, until it fails; counts them. */
static moe_status exchange_hosts(moe_call *call, moe_object *a, moe_object *b,
                                 size_t most, size_t *done) {
  if (*done == most) return MOE_OK;
  if (a->type->exchanged != NULL) MOE_TRY(a->type->exchanged(call, a, b));
  ++*done;
  for (size_t i = 0, n = count_set(a); i < n; i++)
    MOE_TRY(exchange_hosts(call, a->below[i], b->below[i], most, done));
  return MOE_OK;
}

moe_status moe_object_exchange(moe_call *call, moe_object *a, moe_object *b) {
  size_t done = 0, undone = 0;
  moe_status status = exchange_hosts(call, a, b, SIZE_MAX, &done);
  if (status == MOE_OK)
    moe_object_exchange_states(a, b);
  else
    exchange_hosts(call, a, b, done, &undone);
  return status;
}

static bool same_shape(const moe_object *a, const moe_object *b);

static bool same_children(const moe_children *a, const moe_children *b) {
  if (a->n != b->n) return false;
  for (size_t i = 0; i < a->n; i++)
    if (strcmp(a->names[i], b->names[i]) != 0 ||
        !same_shape(a->items[i], b->items[i]))
      return false;
  return true;
}

static bool same_shape(const moe_object *a, const moe_object *b) {
  if (a == NULL || b == NULL) return a == b;
  if (a->type != b->type) return false;
  for (const moe_param *p = a->type->params; p->name != NULL; p++) {
    void *x = moe__param_field(a, p), *y = moe__param_field(b, p);
    if (is_learned(p)) continue;
    if (p->kind == MOE_CHILD &&
        !same_shape(*(moe_object **)x, *(moe_object **)y))
      return false;
    if (p->kind == MOE_CHILDREN && !same_children(x, y)) return false;
    if (p->kind == MOE_CALLBACK && *(bool *)x != *(bool *)y) return false;
  }
  return true;
}

static void exchange_settings(moe_object *a, moe_object *b) {
  moe_object_count_change(a);
  moe_object_count_change(b);
  for (const moe_param *p = a->type->params; p->name != NULL; p++)
    if (!is_children(p->kind)) exchange_cells(p, a, b);
  for (size_t i = 0, n = count_set(a); i < n; i++)
    exchange_settings(a->below[i], b->below[i]);
}

moe_status moe_object_assign(moe_call *call, moe_object *o,
                             const moe_object *from) {
  moe_object *copy;
  MOE_TRY(moe_object_check_idle(call, o, true));
  if (!same_shape(o, from))
    return moe_fail(
        call, MOE_EARG,
        "assign: the other must be of the same types with the same names");
  MOE_TRY(moe_object_clone(call, from, &copy));
  moe_status status = moe_object_exchange(call, o, copy);
  if (status == MOE_OK) exchange_settings(o, copy);
  moe_object_release(copy);
  return status;
}

/* -------------------------------------------------- walks over the children */

static inline bool is_busy(const moe_object *o, bool for_change) {
  return moe_object_is_used(o) || (for_change && moe_object_is_fitting(o));
}

static const moe_object *find_busy(const moe_object *o, bool for_change) {
  for (size_t i = 0; i < o->n_below; i++) {
    const moe_object *busy = o->below[i];
    if (is_busy(busy, for_change)) return busy;
    if (busy->n_below == 0) continue;
    busy = find_busy(busy, for_change);
    if (busy != NULL) return busy;
  }
  return NULL;
}

/* All is idle, as it is for every sample of a stream, and nothing is in what is
   below: seen without a branch an object. */
static bool is_quiet(const moe_object *o) {
  uint64_t doings = moe_object_doings(o);
  size_t more = 0;
  for (moe_object *const *at = o->below, *const *end = at + o->n_below;
       at < end; at++) {
    doings |= moe_object_doings(*at);
    more |= (*at)->n_below;
  }
  return doings % MOE_CHANGE == 0 && more == 0;
}

static MOE_RARE moe_status look_closely(moe_call *call, const moe_object *o,
                                        bool for_change) {
  const moe_object *busy =
      is_busy(o, for_change) ? o : find_busy(o, for_change);
  if (busy == NULL) return MOE_OK;
  return moe_fail(call, MOE_EBUSY,
                  moe_object_is_used(busy)
                      ? "the %s is in use by a running call"
                      : "the %s is being fitted",
                  busy->type->name);
}

moe_status moe_object_check_idle(moe_call *call, const moe_object *o,
                                 bool for_change) {
  return is_quiet(o) ? MOE_OK : look_closely(call, o, for_change);
}

void moe_object_use(const moe_object *o, int by) {
  moe_object_use_alone(o, by);
  for (size_t i = 0; i < o->n_below; i++) moe_object_use(o->below[i], by);
}

void moe_object_mark_fitting(moe_object *o, bool fitting) {
  moe_object_mark_alone(o, fitting);
  for (size_t i = 0; i < o->n_below; i++)
    moe_object_mark_fitting(o->below[i], fitting);
}

static bool place(moe_object *o, int depth, bool move) {
  if (depth == MOE_DEEPEST) return false;
  if (move && o->depth < depth) o->depth = depth;
  for (size_t i = 0; i < o->n_below; i++)
    if (!place(o->below[i], depth + 1, move)) return false;
  return true;
}

bool moe__object_place(moe_object *o, bool move) {
  return place(o, o->depth, move);
}

static void reset(moe_object *o) {
  moe_state_free(o->type, moe_object_swap_state(o, NULL));
  forget_learned(o);
  for (size_t i = 0; i < o->n_below; i++) reset(o->below[i]);
}

moe_status moe_object_reset(moe_call *call, moe_object *o) {
  MOE_TRY(moe_object_check_idle(call, o, true));
  reset(o);
  return MOE_OK;
}

typedef struct weigher {
  moe_visitor visitor;
  size_t bytes;
} weigher;

static moe_status weigh(moe_visitor *v, const moe_field *f) {
  weigher *w = (weigher *)v;
  if (f->kind == MOE_FIELD_ARRAY || f->kind == MOE_FIELD_GROWING)
    w->bytes += f->n * moe_dtype_size(f->dtype);
  if (f->kind == MOE_FIELD_TEXTS) {
    const moe_texts *t = f->at;
    for (size_t i = 0; i < t->n; i++)
      w->bytes += sizeof(char *) + strlen(t->items[i]) + 1;
  }
  if (f->kind == MOE_FIELD_LABELS) w->bytes += f->n * sizeof(moe_label);
  if (f->kind == MOE_FIELD_CHILD) {
    moe_object *child = *(moe_object **)f->at;
    if (child != NULL) w->bytes += moe_object_bytes(child);
  }
  if (f->kind == MOE_FIELD_CHILDREN) {
    const moe_children *c = f->at;
    for (size_t i = 0; i < c->n; i++) w->bytes += moe_object_bytes(c->items[i]);
  }
  return MOE_OK;
}

size_t moe_object_bytes(const moe_object *o) {
  weigher w = {{weigh}, sizeof *o + o->type->params_size};
  if (o->state != NULL) w.bytes += o->type->state_size;
  moe_object_visit((moe_object *)o, &w.visitor);
  return w.bytes;
}
