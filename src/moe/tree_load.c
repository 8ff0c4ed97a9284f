/* The tree of objects from its JSON text and its tensors.  The text must be as
   tree_save.c writes it, keys in their order; but parameters may be missing,
   which then have their defaults.  What is wrong is found before memory is
   taken for it. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learner.h"
#include "model_tree.h"

/* A place that the file has filled in: a length must not change afterwards,
   since arrays were measured by it. */
typedef struct filled {
  const void *at;
  const struct filled *before;
} filled;

/* `path` is where the loader is; after a failure it stays there. */
typedef struct loader {
  moe_visitor visitor;
  moe_call *call;
  moe_find_type find;
  moe_json_in json;
  moe_json_out path;
  const moe_safetensors *tensors;
  bool *used; /* one a tensor */
  const filled *filled;
  int depth;
} loader;

static moe_status refuse(loader *l, const char *message) {
  return moe_fail(l->call, MOE_EFORMAT, "%s", message);
}

static moe_status enter(loader *l, const char *name, size_t *before) {
  *before = moe__path_enter(&l->path, name);
  return l->path.status;
}

static void leave(loader *l, size_t before) {
  moe__path_leave(&l->path, before);
}

/* The end of a list or map whose items were all read. */
static moe_status close_bracket(loader *l, char closing) {
  bool more;
  MOE_TRY(moe_json_next(&l->json, closing, &more));
  return more ? moe_json_fail(&l->json, "more items than expected") : MOE_OK;
}

static moe_status expect_item(loader *l, char closing) {
  bool more;
  MOE_TRY(moe_json_next(&l->json, closing, &more));
  return more ? MOE_OK : moe_json_fail(&l->json, "fewer items than expected");
}

static moe_status expect_key(loader *l, const char *name) {
  char *key;
  MOE_TRY(expect_item(l, '}'));
  MOE_TRY(moe_json_key(&l->json, &key));
  if (strcmp(key, name) == 0) return MOE_OK;
  return moe_fail(l->call, MOE_EFORMAT, "'%.60s' stands where '%s' should", key,
                  name);
}

/* Takes a null if there is one. */
static bool take_null(loader *l) {
  return moe_json_peek(&l->json) == MOE_J_NULL &&
         moe_json_null(&l->json) == MOE_OK;
}

/* --------------------------------------------------------------- parameters */

static moe_status read_object(loader *l, moe_object **out);

static moe_status set_param(loader *l, moe_object *o, const moe_param *p,
                            moe_value *value) {
  moe_value key = moe_text_value(p->name);
  moe_value map = {.kind = MOE_V_MAP, .n = 1, .keys = &key, .items = value};
  return moe_object_set(l->call, o, &map);
}

/* Children being read; the value's lists are owned here, and grow. */
typedef struct list {
  moe_value *value;
  moe_value *key, *item; /* the newest; a list has no keys */
  size_t keys_room, items_room;
} list;

static moe_status add_value(loader *l, moe_value **values, size_t *room,
                            size_t n, moe_value **newest) {
  MOE_TRY(moe_reserve(l->call, values, room, n, 1, sizeof **values));
  *newest = &(*values)[n];
  **newest = (moe_value){.kind = MOE_V_NIL};
  return MOE_OK;
}

static moe_status add_item(loader *l, list *to) {
  moe_value *v = to->value;
  if (v->n == MOE__MOST_CHILDREN) return refuse(l, "it has too many objects");
  if (v->kind == MOE_V_MAP)
    MOE_TRY(add_value(l, &v->keys, &to->keys_room, v->n, &to->key));
  MOE_TRY(add_value(l, &v->items, &to->items_room, v->n, &to->item));
  v->n++;
  return MOE_OK;
}

static void free_children(moe_value *v) {
  if (v->kind == MOE_V_OBJECT) moe_object_release(v->object);
  for (size_t i = 0; i < v->n; i++)
    if (v->items[i].kind == MOE_V_OBJECT)
      moe_object_release(v->items[i].object);
  moe_free(v->items);
  moe_free(v->keys);
}

static moe_status read_child(loader *l, moe_value *out) {
  MOE_TRY(read_object(l, &out->object));
  out->kind = MOE_V_OBJECT;
  return MOE_OK;
}

static moe_status read_called(loader *l, const char *name, list *children) {
  size_t before;
  MOE_TRY(enter(l, name, &before));
  MOE_TRY(read_child(l, children->item));
  leave(l, before);
  return MOE_OK;
}

/* A child of a list is called by its number. */
static moe_status read_numbered(void *self, void *to) {
  list *children = to;
  char number[24];
  MOE_TRY(add_item(self, children));
  snprintf(number, sizeof number, "%zu", children->value->n);
  return read_called(self, number, children);
}

/* Names ascend, so that none is there twice. */
static moe_status read_named(void *self, void *to) {
  loader *l = self;
  list *children = to;
  char *name;
  MOE_TRY(moe_json_key(&l->json, &name));
  MOE_TRY(add_item(l, children));
  if (children->value->n > 1 && strcmp(name, children->key[-1].text) <= 0)
    return refuse(l, "its names are not in order");
  *children->key = moe_text_value(name);
  return read_called(l, name, children);
}

static moe_status read_children(loader *l, moe_value *out) {
  bool numbered = moe_json_peek(&l->json) == MOE_J_LIST;
  list to = {.value = out};
  out->kind = numbered ? MOE_V_LIST : MOE_V_MAP;
  return numbered ? moe_json_each(&l->json, "[]", read_numbered, l, &to)
                  : moe_json_each(&l->json, "{}", read_named, l, &to);
}

static moe_status read_below(loader *l, moe_object *o, const moe_param *p) {
  moe_value value = {.kind = MOE_V_NIL};
  moe_status status = p->kind == MOE_CHILDREN ? read_children(l, &value)
                                              : read_child(l, &value);
  if (status == MOE_OK) status = set_param(l, o, p, &value);
  free_children(&value);
  return status;
}

static moe_status read_param(loader *l, moe_object *o, const moe_param *p) {
  bool below = p->kind == MOE_CHILD || p->kind == MOE_CHILDREN;
  moe_scratch_mark mark;
  moe_value value;
  if (below && moe_json_peek(&l->json) != MOE_J_NULL)
    return read_below(l, o, p);
  mark = moe_scratch_now(l->call);
  MOE_TRY(moe_json_value(&l->json, &value));
  MOE_TRY(set_param(l, o, p, &value));
  moe_scratch_drop(l->call, mark);
  return MOE_OK;
}

/* An object whose parameters are being read. */
typedef struct owner {
  moe_object *object;
  bool *seen; /* one a parameter */
} owner;

static moe_status read_named_param(void *self, void *to) {
  loader *l = self;
  owner *own = to;
  const moe_type *type = own->object->type;
  const moe_param *p;
  size_t before;
  char *name;
  MOE_TRY(moe_json_key(&l->json, &name));
  p = moe_type_find_param(type, name);
  if (p == NULL || own->seen[p - type->params])
    return moe_fail(l->call, MOE_EFORMAT,
                    "%s has no parameter '%.60s', or it is there twice",
                    type->name, name);
  own->seen[p - type->params] = true;
  MOE_TRY(enter(l, name, &before));
  MOE_TRY(read_param(l, own->object, p));
  leave(l, before);
  return MOE_OK;
}

static moe_status read_params(loader *l, moe_object *o) {
  owner own = {.object = o};
  size_t n = 0;
  while (o->type->params[n].name != NULL) n++;
  MOE_SCRATCH(l->call, own.seen, n);
  return moe_json_each(&l->json, "{}", read_named_param, l, &own);
}

/* ------------------------------------------------------------------- states */

static bool is_filled(const loader *l, const void *at) {
  const filled *f = l->filled;
  while (f != NULL && f->at != at) f = f->before;
  return f != NULL;
}

static moe_status remember(loader *l, const void *at) {
  filled *f;
  MOE_SCRATCH(l->call, f, 1);
  *f = (filled){at, l->filled};
  l->filled = f;
  return MOE_OK;
}

static moe_status read_integer(loader *l, const moe_field *f) {
  int64_t x;
  int32_t narrow;
  MOE_TRY(moe_json_integer(&l->json, &x));
  if (f->dtype == MOE_I64) {
    memcpy(f->at, &x, sizeof x);
    return MOE_OK;
  }
  if (x < INT32_MIN || x > INT32_MAX) return refuse(l, "beyond 32 bits");
  narrow = (int32_t)x;
  memcpy(f->at, &narrow, sizeof narrow);
  return MOE_OK;
}

static moe_status read_real(loader *l, const moe_field *f) {
  moe_value v;
  MOE_TRY(moe_json_value(&l->json, &v));
  if (v.kind != MOE_V_NUMBER) return refuse(l, "it should be a number");
  if (f->dtype == MOE_F64)
    *(double *)f->at = v.number;
  else if (isfinite(v.number) && fabs(v.number) > FLT_MAX)
    return refuse(l, "beyond single precision");
  else
    *(float *)f->at = (float)v.number;
  return MOE_OK;
}

static moe_status read_scalar(loader *l, const moe_field *f) {
  MOE_TRY(remember(l, f->at));
  switch (f->dtype) {
    case MOE_F64:
    case MOE_F32: return read_real(l, f);
    case MOE_I64:
    case MOE_I32: return read_integer(l, f);
    case MOE_U8: {
      bool flag;
      MOE_TRY(moe_json_flag(&l->json, &flag));
      *(uint8_t *)f->at = flag;
      break;
    }
    case MOE_BF16: return refuse(l, "no scalar is a bfloat16");
  }
  return MOE_OK;
}

/* Texts or labels being read; `room` is that of their items. */
typedef struct growing {
  void *at;
  size_t room;
} growing;

static moe_status read_text(void *self, void *to) {
  loader *l = self;
  growing *g = to;
  moe_texts *t = g->at;
  moe_value v;
  MOE_TRY(moe_json_value(&l->json, &v));
  if (v.kind != MOE_V_TEXT) return refuse(l, "it should be texts");
  MOE_TRY(moe_reserve(l->call, &t->items, &g->room, t->n, 1, sizeof *t->items));
  t->items[t->n] = moe_copy_text(v.text);
  if (t->items[t->n] == NULL)
    return moe_fail(l->call, MOE_ENOMEM, "not enough memory for a text");
  t->n++;
  return MOE_OK;
}

static moe_status read_label(void *self, void *to) {
  loader *l = self;
  growing *g = to;
  moe_labels *labels = g->at;
  moe_value v;
  MOE_TRY(moe_json_value(&l->json, &v));
  MOE_TRY(moe_reserve(l->call, &labels->items, &g->room, labels->n, 1,
                      sizeof *labels->items));
  MOE_TRY(moe_label_new(l->call, &v, &labels->items[labels->n]));
  labels->n++;
  return MOE_OK;
}

/* A list that is there has items, be they none. */
static moe_status read_growing(loader *l, void *items, size_t size,
                               moe_status (*item)(void *, void *), void *at) {
  growing g = {.at = at};
  if (take_null(l)) return MOE_OK;
  MOE_TRY(moe_reserve(l->call, items, &g.room, 0, 1, size));
  return moe_json_each(&l->json, "[]", item, l, &g);
}

static moe_status read_texts(loader *l, moe_texts *t) {
  return read_growing(l, &t->items, sizeof *t->items, read_text, t);
}

static moe_status read_labels(loader *l, moe_labels *labels) {
  return read_growing(l, &labels->items, sizeof *labels->items, read_label,
                      labels);
}

/* The tensor at the path, if it is of the field's type and has n items. */
static moe_status find_tensor(loader *l, const moe_field *f, size_t n,
                              const moe_safetensor **out) {
  const moe_safetensor *t = moe_safetensors_find(l->tensors, l->path.text);
  moe_st_dtype dtype = moe__st_dtype(f->dtype);
  *out = t;
  if (t == NULL) return refuse(l, "its tensor is missing");
  if (t->dtype != dtype || t->n_dims != 1 || t->shape[0] != n)
    return moe_fail(l->call, MOE_EFORMAT, "its tensor is not %zu items of %s",
                    n, moe_st_name(dtype));
  l->used[t - l->tensors->items] = true;
  return MOE_OK;
}

/* How many items the array must have: what the state says, or where it grows
   what the file says, the same for all arrays of one length. */
static moe_status check_length(loader *l, const moe_field *f, size_t n) {
  bool known = f->kind == MOE_FIELD_ARRAY || is_filled(l, f->length);
  if (known && n != f->n)
    return moe_fail(l->call, MOE_EFORMAT,
                    "it has %zu items and should have %zu", n, f->n);
  return known ? MOE_OK : remember(l, f->length);
}

/* A null is an array of no items that takes no memory. */
static moe_status read_array(loader *l, const moe_field *f) {
  const moe_safetensor *t;
  void **array = f->at;
  int64_t n;
  if (take_null(l)) return check_length(l, f, 0);
  MOE_TRY(moe_json_open(&l->json, '['));
  MOE_TRY(expect_item(l, ']'));
  MOE_TRY(moe_json_integer(&l->json, &n));
  MOE_TRY(close_bracket(l, ']'));
  MOE_TRY(check_length(l, f, (size_t)n));
  MOE_TRY(find_tensor(l, f, (size_t)n, &t));
  *array = moe_copy(t->bytes, (size_t)n, moe_dtype_size(f->dtype));
  if (*array == NULL)
    return moe_fail(l->call, MOE_ENOMEM, "not enough memory for an array");
  if (f->kind == MOE_FIELD_GROWING) *f->length = (size_t)n;
  return MOE_OK;
}

/* Gives the children, which are numbered, to a state. */
static moe_status take_children(loader *l, moe_value *v, moe_children *to) {
  char number[24];
  *to = (moe_children){.numbered = true};
  if (v->kind != MOE_V_LIST) return refuse(l, "it should be a list");
  MOE_TRY(moe_new_array(l->call, &to->names, v->n, sizeof *to->names));
  MOE_TRY(moe_new_array(l->call, &to->items, v->n, sizeof *to->items));
  for (; to->n < v->n; to->n++) {
    snprintf(number, sizeof number, "%zu", to->n + 1);
    to->names[to->n] = moe_copy_text(number);
    if (to->names[to->n] == NULL)
      return moe_fail(l->call, MOE_ENOMEM, "not enough memory for a name");
    to->items[to->n] = moe_object_retain(v->items[to->n].object);
  }
  return MOE_OK;
}

/* Objects within the state; what it has filled so far is not theirs. */
static moe_status read_own_children(loader *l, moe_children *to) {
  moe_value value = {.kind = MOE_V_NIL};
  const filled *before = l->filled;
  moe_status status = read_children(l, &value);
  if (status == MOE_OK) status = take_children(l, &value, to);
  free_children(&value);
  l->filled = before;
  return status;
}

static moe_status read_field(moe_visitor *v, const moe_field *f) {
  loader *l = (loader *)v;
  size_t before;
  if (f->derived) return MOE_OK;
  MOE_TRY(enter(l, f->name, &before));
  MOE_TRY(expect_key(l, f->name));
  switch (f->kind) {
    case MOE_FIELD_SCALAR: MOE_TRY(read_scalar(l, f)); break;
    case MOE_FIELD_TEXTS: MOE_TRY(read_texts(l, f->at)); break;
    case MOE_FIELD_LABELS: MOE_TRY(read_labels(l, f->at)); break;
    case MOE_FIELD_ARRAY:
    case MOE_FIELD_GROWING: MOE_TRY(read_array(l, f)); break;
    case MOE_FIELD_CHILDREN: MOE_TRY(read_own_children(l, f->at)); break;
    default: break;
  }
  leave(l, before);
  return MOE_OK;
}

static moe_status read_state(loader *l, moe_object *o) {
  if (take_null(l)) return MOE_OK;
  MOE_TRY(moe_state_new(l->call, o->type, &o->state));
  MOE_TRY(moe_json_open(&l->json, '{'));
  l->filled = NULL;
  MOE_TRY(o->type->visit(o->state, &l->visitor));
  return close_bracket(l, '}');
}

/* ------------------------------------------------------------------ objects */

static moe_status read_type(loader *l, const moe_type **out) {
  char *family, *name;
  MOE_TRY(moe_json_open(&l->json, '{'));
  MOE_TRY(expect_key(l, "family"));
  MOE_TRY(moe_json_text(&l->json, &family));
  MOE_TRY(expect_key(l, "type"));
  MOE_TRY(moe_json_text(&l->json, &name));
  *out = l->find(family, name);
  if (*out != NULL) return MOE_OK;
  return moe_fail(l->call, MOE_EFORMAT, "there is no %.40s '%.40s' here",
                  family, name);
}

static moe_status check_object(loader *l, moe_object *o) {
  const moe_type *type = o->type;
  bool fitted =
      strcmp(type->family, "learner") == 0 || strcmp(type->family, "gate") == 0;
  if (o->state == NULL) return MOE_OK;
  if (fitted) MOE_TRY(moe_fitted_check(l->call, o));
  if (type->check != NULL) MOE_TRY(type->check(l->call, o));
  return type->rebuild != NULL ? type->rebuild(l->call, o) : MOE_OK;
}

static moe_status read_parts(loader *l, moe_object *o) {
  MOE_TRY(expect_key(l, "params"));
  MOE_TRY(read_params(l, o));
  MOE_TRY(expect_key(l, "state"));
  MOE_TRY(read_state(l, o));
  MOE_TRY(close_bracket(l, '}'));
  return check_object(l, o);
}

static moe_status read_object(loader *l, moe_object **out) {
  const moe_type *type;
  moe_status status;
  *out = NULL;
  if (l->depth == MOE_DEEPEST) return refuse(l, "objects nested too deeply");
  MOE_TRY(read_type(l, &type));
  MOE_TRY(moe_object_new(l->call, type, out));
  l->depth++;
  status = read_parts(l, *out);
  l->depth--;
  if (status == MOE_OK) return MOE_OK;
  moe_object_release(*out);
  *out = NULL;
  return status;
}

static moe_status read_tree(loader *l, moe_object **out) {
  MOE_SCRATCH(l->call, l->used, l->tensors->n);
  MOE_TRY(read_object(l, out));
  MOE_TRY(moe_json_end(&l->json));
  for (size_t i = 0; i < l->tensors->n; i++)
    if (!l->used[i])
      return moe_fail(l->call, MOE_EFORMAT, "the tensor '%.80s' has no place",
                      l->tensors->items[i].name);
  return MOE_OK;
}

/* Says where the loader was, and that it was the file's mistake; memory, the
   host and its errors are not. */
static moe_status explain(loader *l, moe_status status) {
  moe_error error = l->call->error;
  bool at_top = l->path.n == 0;
  if (status != MOE_EFORMAT && status != MOE_EPARAM && status != MOE_EARG &&
      status != MOE_EDATA)
    return status;
  return moe_fail(l->call, MOE_EFORMAT, "%s%.160s%s%s", at_top ? "" : "'",
                  at_top ? "" : l->path.text, at_top ? "" : "': ", error.text);
}

moe_status moe__tree_load(moe_call *call, moe_find_type find, char *text,
                          const moe_safetensors *tensors, moe_object **out) {
  loader l = {
      .visitor = {read_field},
      .call = call,
      .find = find,
      .json = moe_json_reader(call, "the objects' text", text, strlen(text)),
      .path = {.call = call},
      .tensors = tensors};
  moe_status status = read_tree(&l, out);
  if (status != MOE_OK) status = explain(&l, status);
  if (status != MOE_OK) moe_object_release(*out);
  if (status != MOE_OK) *out = NULL;
  moe_free(l.path.text);
  return status;
}
