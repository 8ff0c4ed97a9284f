/* The tree of objects as JSON, its arrays as tensors: see docs/file_format.md
   for what the text looks like. */
#include <string.h>

#include "model_tree.h"

moe_st_dtype moe__st_dtype(moe_dtype dtype) {
  static const moe_st_dtype dtypes[] = {
      [MOE_F64] = MOE_ST_F64, [MOE_F32] = MOE_ST_F32, [MOE_I64] = MOE_ST_I64,
      [MOE_I32] = MOE_ST_I32, [MOE_U8] = MOE_ST_U8,   [MOE_BF16] = MOE_ST_BF16};
  return dtypes[dtype];
}

size_t moe__path_enter(moe_json_out *path, const char *name) {
  size_t before = path->n;
  if (before > 0) moe_json_put(path, ".");
  moe_json_put(path, name);
  return before;
}

void moe__path_leave(moe_json_out *path, size_t before) {
  if (path->text == NULL) return;
  path->n = before;
  path->text[before] = 0;
}

/* A failure is kept in json's status; nothing is written after it. */
typedef struct saver {
  moe_visitor visitor;
  moe_call *call;
  moe_json_out *json;
  moe_json_out path;
  moe_safetensors *tensors;
  size_t room; /* of the list of tensors */
} saver;

static void refuse(saver *s, const char *message) {
  if (s->json->status == MOE_OK)
    s->json->status =
        moe_fail(s->call, MOE_EDATA, "cannot save '%.200s': %s",
                 s->path.text != NULL ? s->path.text : "", message);
}

static void put(saver *s, const char *raw) { moe_json_put(s->json, raw); }

/* --------------------------------------------------------------- parameters */

static void put_object(saver *s, const moe_object *o);

static void put_child(saver *s, const char *name, const moe_object *child) {
  size_t before = moe__path_enter(&s->path, name);
  put_object(s, child);
  moe__path_leave(&s->path, before);
}

/* A list when the children are numbered, else a map in the names' order. */
static void put_children(saver *s, const moe_children *c) {
  if (c->n > MOE__MOST_CHILDREN) refuse(s, "there are too many in it");
  put(s, c->numbered ? "[" : "{");
  for (size_t i = 0; i < c->n; i++) {
    if (!moe_utf8_valid(c->names[i])) refuse(s, "a name in it is not UTF-8");
    if (c->numbered)
      moe_json_put_comma(s->json);
    else
      moe_json_put_key(s->json, c->names[i]);
    put_child(s, c->names[i], c->items[i]);
  }
  put(s, c->numbered ? "]" : "}");
}

static void put_param(saver *s, const moe_object *o, const moe_param *p,
                      const moe_value *v) {
  size_t before = moe__path_enter(&s->path, p->name);
  if (p->kind == MOE_CHILD && v->kind == MOE_V_OBJECT)
    put_object(s, v->object);
  else if (p->kind == MOE_CHILDREN && v->kind != MOE_V_NIL)
    put_children(s, (const void *)((const char *)o->params + p->offset));
  else if (v->kind == MOE_V_FUNCTION)
    moe_json_put_flag(s->json, true);
  else
    moe_json_put_value(s->json, v);
  moe__path_leave(&s->path, before);
}

/* A required parameter that is still missing is left out. */
static void put_params(saver *s, const moe_object *o) {
  put(s, "{");
  for (const moe_param *p = o->type->params; p->name != NULL; p++) {
    moe_value value;
    moe_status status = moe_object_get(s->call, o, p, &value);
    if (status != MOE_OK && s->json->status == MOE_OK) s->json->status = status;
    if (s->json->status != MOE_OK) return;
    if (value.kind != MOE_V_NIL || (p->flags & MOE_OPTIONAL)) {
      moe_json_put_key(s->json, p->name);
      put_param(s, o, p, &value);
    }
  }
  put(s, "}");
}

/* ------------------------------------------------------------------- states */

static int64_t integer_at(const moe_field *f) {
  int64_t wide = 0;
  int32_t narrow;
  if (f->dtype == MOE_I64) memcpy(&wide, f->at, sizeof wide);
  if (f->dtype != MOE_I32) return wide;
  memcpy(&narrow, f->at, sizeof narrow);
  return narrow;
}

static void put_real(saver *s, double x) {
  moe_value v = moe_number_value(x);
  moe_json_put_value(s->json, &v);
}

/* A scalar of bytes is a flag. */
static void put_scalar(saver *s, const moe_field *f) {
  const uint8_t *byte = f->at;
  switch (f->dtype) {
    case MOE_F64: put_real(s, *(const double *)f->at); break;
    case MOE_F32: put_real(s, (double)*(const float *)f->at); break;
    case MOE_I64:
    case MOE_I32: moe_json_put_integer(s->json, integer_at(f)); break;
    case MOE_U8:
      if (*byte > 1) refuse(s, "it is neither 0 nor 1");
      moe_json_put_flag(s->json, *byte != 0);
      break;
    case MOE_BF16: refuse(s, "no scalar is a bfloat16");
  }
}

static moe_value text_at(const moe_field *f, size_t i) {
  const moe_texts *t = f->at;
  return moe_text_value(t->items[i]);
}

static moe_value label_at(const moe_field *f, size_t i) {
  const moe_labels *l = f->at;
  return moe_label_value(&l->items[i]);
}

/* A list, or null where there is none. */
static void put_list(saver *s, const moe_field *f, const void *items,
                     moe_value (*item_at)(const moe_field *, size_t)) {
  if (items == NULL) {
    put(s, "null");
    return;
  }
  put(s, "[");
  for (size_t i = 0; i < f->n; i++) {
    moe_value v = item_at(f, i);
    moe_json_put_comma(s->json);
    moe_json_put_value(s->json, &v);
  }
  put(s, "]");
}

static void put_texts(saver *s, const moe_field *f) {
  put_list(s, f, ((const moe_texts *)f->at)->items, text_at);
}

static void put_labels(saver *s, const moe_field *f) {
  put_list(s, f, ((const moe_labels *)f->at)->items, label_at);
}

/* A tensor called by the path, of n items. */
static moe_status add_tensor(saver *s, const moe_field *f, const void *array) {
  moe_safetensors *all = s->tensors;
  size_t *shape;
  char *name;
  MOE_TRY(s->path.status);
  MOE_SCRATCH(s->call, shape, 1);
  MOE_SCRATCH(s->call, name, s->path.n + 1);
  memcpy(name, s->path.text, s->path.n + 1);
  *shape = f->n;
  MOE_TRY(moe_reserve(s->call, &all->items, &s->room, all->n, 1,
                      sizeof *all->items));
  all->items[all->n++] =
      (moe_safetensor){name,  moe__st_dtype(f->dtype),        1, shape,
                       array, f->n * moe_dtype_size(f->dtype)};
  return MOE_OK;
}

/* The shape of its tensor, or null where it has no items.  What is loaded can
   so rely on every array that its counts promise. */
static moe_status put_array(saver *s, const moe_field *f) {
  const void *array = *(const void *const *)f->at;
  if (array == NULL && f->n > 0) refuse(s, "the array is missing");
  if (array == NULL) {
    put(s, "null");
    return MOE_OK;
  }
  put(s, "[");
  moe_json_put_integer(s->json, (int64_t)f->n);
  put(s, "]");
  return add_tensor(s, f, array);
}

static moe_status put_field(moe_visitor *v, const moe_field *f) {
  saver *s = (saver *)v;
  moe_status status = MOE_OK;
  size_t before;
  if (f->derived) return MOE_OK;
  moe_json_put_key(s->json, f->name);
  before = moe__path_enter(&s->path, f->name);
  switch (f->kind) {
    case MOE_FIELD_SCALAR: put_scalar(s, f); break;
    case MOE_FIELD_TEXTS: put_texts(s, f); break;
    case MOE_FIELD_LABELS: put_labels(s, f); break;
    case MOE_FIELD_ARRAY:
    case MOE_FIELD_GROWING: status = put_array(s, f); break;
    case MOE_FIELD_CHILDREN: put_children(s, f->at); break;
    default: break;
  }
  moe__path_leave(&s->path, before);
  return status;
}

static void put_state(saver *s, const moe_object *o) {
  moe_status status;
  if (o->state == NULL) {
    put(s, "null");
    return;
  }
  put(s, "{");
  if (s->json->status != MOE_OK) return;
  status = o->type->visit(o->state, &s->visitor);
  if (s->json->status == MOE_OK) s->json->status = status;
  put(s, "}");
}

static void put_object(saver *s, const moe_object *o) {
  put(s, "{\"family\":");
  moe_json_put_text(s->json, o->type->family);
  put(s, ",\"type\":");
  moe_json_put_text(s->json, o->type->name);
  put(s, ",\"params\":");
  put_params(s, o);
  put(s, ",\"state\":");
  put_state(s, o);
  put(s, "}");
}

moe_status moe__tree_save(moe_call *call, const moe_object *o,
                          moe_json_out *json, moe_safetensors *tensors) {
  saver s = {.visitor = {put_field},
             .call = call,
             .json = json,
             .path = {.call = call},
             .tensors = tensors};
  put_object(&s, o);
  if (json->status == MOE_OK) json->status = s.path.status;
  moe_free(s.path.text);
  return json->status;
}
