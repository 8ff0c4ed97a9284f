/* Sparse layers of the engine in Lua: what nn.MoE asks where nothing is
   learned, saves, and makes of half width (lua/moe/nn/inference.lua).

   A layer reads the tensors that it was made of, or an object from a file. */
#include "layer.h"

#include <string.h>

#include "ltape.h"

#define LAYER "moe.Layer"

enum { MOST_TENSORS = 16 };

typedef struct held {
  moe_layer layer;
  moe_object *object; /* whose weights the layer's are; or NULL, and … */
  moe_tensor *tensors[MOST_TENSORS]; /* … they are of these, counted */
  size_t n_tensors;
  const moe_tensor *bias_from; /* among these: the selection bias, … */
  double *bias;                /* … copied before it is used */
} held;

static void release(void *pointer) {
  held *h = pointer;
  for (size_t i = 0; i < h->n_tensors; i++) moe_tensor_release(h->tensors[i]);
  moe_object_release(h->object);
  moe_free(h->bias);
  moe_free(h);
}

static void release_object(void *o) { moe_object_release(o); }

static int l_close(lua_State *L) {
  lmoe_close_owned(L, LAYER, release);
  return 0;
}

/* Checked once its call has begun: that may set the collector going, whose
   finalisers may close anything. */
static held *check_layer(lua_State *L) {
  held *h = lmoe_check_box(L, 1, LAYER);
  for (size_t i = 0; i < h->n_tensors; i++)
    if (moe_tensor_is_gone(h->tensors[i]))
      luaL_error(L,
                 "layer: the value of one of its weights, %s, was given back "
                 "by backward; t:retain() before it keeps it",
                 moe_tensor_shape_text(h->tensors[i]).text);
  return h;
}

/* Pushes a layer that holds nothing yet. */
static held *push_layer(lua_State *L, lmoe_call *c, size_t bytes) {
  held *h;
  LMOE_TRY(L, c, moe_new_array(&c->call, &h, 1, sizeof *h));
  lmoe_push_owned(L, LAYER, h, bytes + sizeof *h, release);
  return h;
}

/* Takes over the reference. */
static void push_object(lua_State *L, lmoe_call *c, moe_object *o) {
  lmoe_hold(c, o, release_object);
  held *h = push_layer(L, c, moe_object_bytes(o));
  h->object = moe_object_retain(o);
  h->layer = moe_layer_of(o);
}

/* ---------------------------------------------------------- of Lua's tensors
 */

/* The float tensor of the table's field, which must have this shape (0: any
   length), or NULL where it is absent. */
static const moe_tensor *take(lua_State *L, held *h, int table,
                              const char *name, int ndim, size_t a, size_t b,
                              size_t c) {
  const size_t shape[] = {a, b, c};
  lmoe_get_option(L, table, name);
  moe_tensor *t = lua_isnil(L, -1) ? NULL : lmoe_check_tensor(L, -1);
  bool fits = t == NULL || (t->dtype == MOE_F32 && t->ndim == ndim);
  for (int k = 0; fits && t != NULL && k < ndim; k++)
    fits = shape[k] == 0 ? t->shape[k] > 0 : t->shape[k] == (int64_t)shape[k];
  if (!fits)
    luaL_error(L, "layer: '%s' is %s, which does not fit the other weights",
               name, moe_tensor_shape_text(t).text);
  lua_pop(L, 1);
  if (t != NULL) h->tensors[h->n_tensors++] = moe_tensor_retain(t);
  return t;
}

static const moe_tensor *take_needed(lua_State *L, held *h, int table,
                                     const char *name, int ndim, size_t a,
                                     size_t b, size_t c) {
  const moe_tensor *t = take(L, h, table, name, ndim, a, b, c);
  if (t == NULL) luaL_error(L, "layer: '%s' is missing", name);
  return t;
}

static const float *items(const moe_tensor *t) {
  return t != NULL ? t->f : NULL;
}

/* The maps of the routed experts, which tell the sizes (0 until then). */
static void take_experts(lua_State *L, held *h, int table) {
  moe_feed_forward *f = &h->layer.experts;
  const moe_tensor *in =
      take_needed(L, h, table, "w_in", 3, f->experts, f->dim, 0);
  f->hidden = (size_t)in->shape[2];
  const moe_tensor *out =
      take_needed(L, h, table, "w_out", 3, f->experts, f->hidden, 0);
  f->out = (size_t)out->shape[2];
  f->w_in = in->f;
  f->w_out = out->f;
  f->w_gate =
      items(take(L, h, table, "w_gate", 3, f->experts, f->dim, f->hidden));
  f->b_in = items(take(L, h, table, "b_in", 2, f->experts, f->hidden, 0));
  f->b_out = items(take(L, h, table, "b_out", 2, f->experts, f->out, 0));
}

/* Those of the shared expert: alike, but of tensors for one expert. */
static void take_shared(lua_State *L, held *h, int table) {
  const moe_feed_forward *e = &h->layer.experts;
  moe_feed_forward *f = &h->layer.shared;
  const moe_tensor *in = take_needed(L, h, table, "w_in", 2, e->dim, 0, 0);
  *f = (moe_feed_forward){.experts = 1,
                          .dim = e->dim,
                          .hidden = (size_t)in->shape[1],
                          .out = e->out,
                          .activation = e->activation,
                          .w_in = in->f};
  f->w_out = take_needed(L, h, table, "w_out", 2, f->hidden, f->out, 0)->f;
  f->w_gate = items(take(L, h, table, "w_gate", 2, f->dim, f->hidden, 0));
  f->b_in = items(take(L, h, table, "b_in", 1, f->hidden, 0, 0));
  f->b_out = items(take(L, h, table, "b_out", 1, f->out, 0, 0));
}

static void take_gate(lua_State *L, lmoe_call *c, held *h, int table) {
  moe_layer *l = &h->layer;
  const moe_tensor *gate = take_needed(L, h, table, "gate", 2, 0, 0, 0);
  l->gate = gate->f;
  l->experts.dim = (size_t)gate->shape[0];
  l->experts.experts = (size_t)gate->shape[1];
  l->noise = items(
      take(L, h, table, "noise", 2, l->experts.dim, l->experts.experts, 0));
  h->bias_from =
      take(L, h, table, "selection_bias", 1, l->experts.experts, 0, 0);
  if (h->bias_from == NULL) return;
  LMOE_TRY(
      L, c,
      moe_new_array(&c->call, &h->bias, l->experts.experts, sizeof *h->bias));
  l->selection_bias = h->bias;
}

static void take_route(lua_State *L, lmoe_call *c, held *h, int table) {
  moe_object *o;
  LMOE_TRY(L, c, moe_object_new(&c->call, &moe_route_options, &o));
  lmoe_hold(c, o, release_object);
  lmoe_get_option(L, table, "route");
  moe_value map = lmoe_check_value(L, c, lua_gettop(L));
  LMOE_TRY(L, c, moe_object_set(&c->call, o, &map));
  lua_pop(L, 1);
  h->layer.route = ((const moe_route_params *)o->params)->route;
  LMOE_TRY(L, c, moe_layer_check(&c->call, &h->layer, false));
}

/* _layer { route, activation, scale, gate, noise, selection_bias, w_in, w_gate,
   w_out, b_in, b_out, shared = { w_in, … } } */
static int l_layer(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lmoe_call *c = lmoe_begin(L);
  held *h = push_layer(L, c, 0);
  int box = lua_gettop(L);
  take_gate(L, c, h, 1);
  lmoe_get_option(L, 1, "activation");
  h->layer.experts.activation =
      (moe_activation)luaL_checkoption(L, -1, NULL, moe_activation_choices);
  h->layer.scale = lmoe_opt_number(L, 1, "scale", -1e30, 1e30, 1);
  take_experts(L, h, 1);
  lmoe_get_option(L, 1, "shared");
  if (lua_istable(L, -1)) take_shared(L, h, lua_gettop(L));
  take_route(L, c, h, 1);
  lmoe_end(L, c, MOE_OK);
  lua_settop(L, box);
  return 1;
}

/* The layer as it is now. */
static const moe_layer *refresh(held *h) {
  const moe_tensor *from = h->bias_from;
  for (size_t e = 0; from != NULL && e < from->n; e++)
    h->bias[e] = (double)from->f[e];
  return &h->layer;
}

/* ------------------------------------------------------------------- methods
 */

static const int64_t *check_ids(lua_State *L, lmoe_call *c, int index,
                                const moe_layer *layer, size_t n) {
  if (lua_isnoneornil(L, index)) return NULL;
  if (layer->route.router != MOE_HASH)
    luaL_error(L, "layer: 'ids' would change nothing without router 'hash'");
  if (lmoe_check_array(L, index, "layer: 'ids'") != n)
    luaL_error(L, "layer: 'ids' must be an array of %d numbers", (int)n);
  int64_t *ids = moe_scratch(&c->call, n, sizeof *ids);
  if (ids == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    ids[i] = lmoe_check_integer(L, -1, "layer: ids", -((int64_t)1 << 53),
                                (int64_t)1 << 53);
    lua_pop(L, 1);
  }
  return ids;
}

/* The shape of the layer's answers to the rows of x. */
static void shape_answers(lua_State *L, const moe_feed_forward *f,
                          const moe_tensor *x, int64_t *shape) {
  int last = x->ndim - 1;
  if (x->dtype != MOE_F32 || x->shape[last] != (int64_t)f->dim)
    luaL_error(L, "layer: rows of %d numbers expected, got %s", (int)f->dim,
               moe_tensor_shape_text(x).text);
  memcpy(shape, x->shape, sizeof x->shape);
  shape[last] = (int64_t)f->out;
}

/* answer(x [, ids]): to each row of the tensor; nothing is recorded. */
static int l_answer(lua_State *L) {
  lua_settop(L, 3);
  lmoe_call *c = lmoe_begin(L);
  held *h = check_layer(L);
  moe_tensor *x = lmoe_check_tensor(L, 2), *out;
  int64_t shape[MOE_MAX_DIMS];
  lmoe_put_on_tape(L, c, 1, &x);
  if (c->call.recording)
    luaL_error(L,
               "layer: it is for inference and gives no gradients; "
               "moe.no_grad or x:detach() asks for none");
  shape_answers(L, &h->layer.experts, x, shape);
  moe_layer_rows rows = {.n = x->n / h->layer.experts.dim, .x = x->f};
  rows.ids = check_ids(L, c, 3, &h->layer, rows.n);
  LMOE_TRY(L, c, moe_tensor_make(&c->call, MOE_F32, x->ndim, shape, &out));
  moe_status status =
      moe_layer_forward(&c->call, refresh(h), &rows, out->f, NULL);
  if (status != MOE_OK) moe_tensor_release(out);
  lmoe_end(L, c, status);
  lmoe_push_made(L, out);
  return 1;
}

/* half(): a copy of half width. */
static int l_half(lua_State *L) {
  lmoe_call *c = lmoe_begin(L);
  held *h = check_layer(L);
  moe_object *o;
  LMOE_TRY(L, c, moe_layer_new(&c->call, refresh(h), true, &o));
  push_object(L, c, o);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* save(path): true, or nil, message, code. */
static int l_save(lua_State *L) {
  const char *path = luaL_checkstring(L, 2);
  lmoe_call *c = lmoe_begin(L);
  held *h = check_layer(L);
  moe_object *o = h->object;
  if (o != NULL)
    moe_object_retain(o);
  else
    LMOE_TRY(L, c, moe_layer_new(&c->call, refresh(h), false, &o));
  moe_status status = moe_layer_save(&c->call, o, path);
  moe_object_release(o);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  lmoe_end(L, c, MOE_OK);
  lua_pushboolean(L, 1);
  return 1;
}

/* _load_layer(path): a layer, or nil, message, code. */
static int l_load(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lmoe_call *c = lmoe_begin(L);
  moe_object *o;
  moe_status status = moe_layer_load(&c->call, path, &o);
  if (status != MOE_OK) return lmoe_refuse(L, c, status);
  push_object(L, c, o);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* ---------------------------------------------------------------- its parts */

static void set_number(lua_State *L, const char *name, size_t x) {
  lua_pushnumber(L, (double)x);
  lua_setfield(L, -2, name);
}

/* Sets a tensor of n numbers in the table on top, unless there are none. */
static void set_floats(lua_State *L, lmoe_call *c, const char *name,
                       const float *from, size_t n) {
  const int64_t shape[] = {(int64_t)n};
  moe_tensor *t;
  if (from == NULL) return;
  LMOE_TRY(L, c, moe_tensor_make(&c->call, MOE_F32, 1, shape, &t));
  memcpy(t->f, from, n * sizeof *from);
  lmoe_push_tensor(L, t);
  lua_setfield(L, -2, name);
}

static void set_maps(lua_State *L, lmoe_call *c, const moe_feed_forward *f) {
  size_t in = f->experts * f->dim * f->hidden;
  set_floats(L, c, "w_in", f->w_in, in);
  set_floats(L, c, "w_gate", f->w_gate, in);
  set_floats(L, c, "w_out", f->w_out, f->experts * f->hidden * f->out);
  set_floats(L, c, "b_in", f->b_in, f->experts * f->hidden);
  set_floats(L, c, "b_out", f->b_out, f->experts * f->out);
}

static void set_bias(lua_State *L, lmoe_call *c, const moe_layer *l) {
  size_t n = l->experts.experts;
  float *bias;
  if (l->selection_bias == NULL) return;
  bias = moe_scratch(&c->call, n, sizeof *bias);
  if (bias == NULL) lmoe_end(L, c, MOE_ENOMEM);
  for (size_t e = 0; e < n; e++) bias[e] = (float)l->selection_bias[e];
  set_floats(L, c, "selection_bias", bias, n);
}

/* parts(): what `_layer` takes, of one that was loaded; tensors have one
   dimension.  And dim, experts, hidden, out_dim, shared_hidden, gated, half. */
static int l_parts(lua_State *L) {
  held *h = check_layer(L);
  const moe_layer *l = &h->layer;
  const moe_feed_forward *f = &l->experts;
  size_t gate = f->dim * f->experts;
  moe_value params;
  if (h->object == NULL) return luaL_error(L, "parts: of a loaded layer only");
  lmoe_call *c = lmoe_begin(L);
  LMOE_TRY(L, c, moe_object_get_all(&c->call, h->object, &params));
  lua_newtable(L);
  lmoe_push_value(L, &params);
  lua_setfield(L, -2, "params");
  set_number(L, "dim", f->dim);
  set_number(L, "experts", f->experts);
  set_number(L, "hidden", f->hidden);
  set_number(L, "out_dim", f->out);
  set_number(L, "shared_hidden", l->shared.experts * l->shared.hidden);
  lua_pushboolean(L, l->half.w_in != NULL);
  lua_setfield(L, -2, "half");
  set_floats(L, c, "gate", l->gate, gate);
  set_floats(L, c, "noise", l->noise, gate);
  set_bias(L, c, l);
  set_maps(L, c, f);
  if (l->shared.experts > 0) {
    lua_newtable(L);
    set_maps(L, c, &l->shared);
    lua_setfield(L, -2, "shared");
  }
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static const luaL_Reg methods[] = {{"answer", l_answer}, {"half", l_half},
                                   {"save", l_save},     {"parts", l_parts},
                                   {"close", l_close},   {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"_layer", l_layer}, {"_load_layer", l_load}, {NULL, NULL}};

void lmoe_open_layers(lua_State *L) {
  lmoe_new_family(L, LAYER, methods, l_close);
  lmoe_set_functions(L, functions);
}
