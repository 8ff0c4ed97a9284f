/* Parameters as values: what the fields of the params struct hold. */
#include <math.h>
#include <string.h>

#include "param.h"

static moe_status get_reals(moe_call *call, const moe_reals *r,
                            moe_value *out) {
  if (r->items == NULL) return MOE_OK;
  MOE_TRY(moe_list_value(call, r->n, out));
  for (size_t i = 0; i < r->n; i++)
    out->items[i] = moe_number_value(r->items[i]);
  return MOE_OK;
}

static moe_status get_texts(moe_call *call, const moe_texts *t,
                            moe_value *out) {
  if (t->items == NULL) return MOE_OK;
  MOE_TRY(moe_list_value(call, t->n, out));
  for (size_t i = 0; i < t->n; i++) out->items[i] = moe_text_value(t->items[i]);
  return MOE_OK;
}

static moe_status get_weights(moe_call *call, const moe_weights *w,
                              moe_value *out) {
  if (w->items == NULL) return MOE_OK;
  MOE_TRY(moe_map_value(call, w->n, out));
  for (size_t i = 0; i < w->n; i++) {
    out->keys[i] = moe_label_value(&w->labels[i]);
    out->items[i] = moe_number_value(w->items[i]);
  }
  return MOE_OK;
}

static moe_value object_value(moe_object *o) {
  return (moe_value){.kind = o != NULL ? MOE_V_OBJECT : MOE_V_NIL, .object = o};
}

static moe_status get_children(moe_call *call, const moe_children *c,
                               moe_value *out) {
  if (c->items == NULL) return MOE_OK;
  MOE_TRY(c->numbered ? moe_list_value(call, c->n, out)
                      : moe_map_value(call, c->n, out));
  for (size_t i = 0; i < c->n; i++) {
    if (!c->numbered) out->keys[i] = moe_text_value(c->names[i]);
    out->items[i] = object_value(c->items[i]);
  }
  return MOE_OK;
}

moe_status moe_object_get(moe_call *call, const moe_object *o,
                          const moe_param *p, moe_value *out) {
  moe_cell cell = {0}, *f = &cell;
  memcpy(f, moe__param_field(o, p), moe__param_size(p->kind));
  *out = (moe_value){.kind = MOE_V_NIL};
  switch (p->kind) {
    case MOE_INT:
      if (f->i != MOE_NO_INT) *out = moe_number_value((double)f->i);
      return MOE_OK;
    case MOE_REAL:
      if (!isnan(f->r)) *out = moe_number_value(f->r);
      return MOE_OK;
    case MOE_CHOICE:
      if (f->choice >= 0) *out = moe_text_value(p->choices[f->choice]);
      return MOE_OK;
    case MOE_FLAG: *out = moe_flag_value(f->flag); return MOE_OK;
    case MOE_CALLBACK:
      if (f->flag) out->kind = MOE_V_FUNCTION;
      return MOE_OK;
    case MOE_TEXT: *out = moe_text_value(f->text); return MOE_OK;
    case MOE_INTS:
    case MOE_REALS: return get_reals(call, &f->reals, out);
    case MOE_TEXTS: return get_texts(call, &f->texts, out);
    case MOE_WEIGHTS: return get_weights(call, &f->weights, out);
    case MOE_CHILD: *out = object_value(f->child); return MOE_OK;
    case MOE_CHILDREN: return get_children(call, &f->children, out);
  }
  return MOE_OK;
}

moe_status moe_object_get_all(moe_call *call, const moe_object *o,
                              moe_value *out) {
  size_t n = 0;
  while (o->type->params[n].name != NULL) n++;
  MOE_TRY(moe_map_value(call, n, out));
  for (size_t i = 0; i < n; i++) {
    out->keys[i] = moe_text_value(o->type->params[i].name);
    MOE_TRY(moe_object_get(call, o, &o->type->params[i], &out->items[i]));
  }
  return MOE_OK;
}
