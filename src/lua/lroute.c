/* The routing core by itself: moe.route(logits, options), for scores that come
   from anywhere. */
#include "lroute.h"

#include <math.h>
#include <string.h>

#include "tape.h"
#include "vector.h"

/* ----------------------------------------------------------------- the table
 */

/* Pushes the box behind the table at `index`. */
static void push_box(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index))
    luaL_error(L, "a routing made by moe.route expected, got a %s",
               luaL_typename(L, index));
  lua_pushliteral(L, "routed");
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

lmoe_routing_box *lmoe_check_routing_box(lua_State *L, int index) {
  push_box(L, index);
  lmoe_box *box = lmoe_want_box(L, -1, LMOE_ROUTING);
  if (box->closed) lmoe_check_box(L, -1, LMOE_ROUTING);
  lua_pop(L, 1);
  return (lmoe_routing_box *)(void *)box;
}

lmoe_routed *lmoe_check_routed(lua_State *L, int index) {
  lmoe_routed *w = lmoe_check_routing_box(L, index)->box.pointer;
  if (w == NULL)
    luaL_error(L,
               "this routing was given back by backward, all but its stats(); "
               "routing:retain() before it keeps it");
  return w;
}

static bool is_one_of(const char *name, const char *const *names) {
  for (; *names != NULL; names++)
    if (strcmp(*names, name) == 0) return true;
  return false;
}

static const char *const late_fields[] = {"probs",   "counts", "rows",
                                          "choices", "places", NULL};

/* The routing remembers the fields of the table on top, so that they are given
   back with it. */
static void keep_fields(lua_State *L, lmoe_routed *w) {
  for (int i = 0; i < LMOE_LATE_FIELDS; i++) {
    lua_pushstring(L, late_fields[i]);
    lua_rawget(L, -2);
    moe_tensor *t = lmoe_test_tensor(L, -1);
    if (t != NULL && w->fields[i] == NULL) w->fields[i] = moe_tensor_retain(t);
    lua_pop(L, 1);
  }
}

/* A method (the upvalue has them), or a field that is made when it is asked
   for. */
static int l_index(lua_State *L) {
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  lua_settop(L, 2);
  if (!is_one_of(name, late_fields)) {
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
  }
  lmoe_routed *w = lmoe_check_routed(L, 1);
  lmoe_call *c = lmoe_begin(L);
  c->call.pool = moe_pool_of(w);
  lua_pushvalue(L, 1);
  if (strcmp(name, "probs") == 0)
    lmoe_set_probs(L, c, &w->r);
  else
    lmoe_set_dispatch(L, c, w);
  lmoe_end(L, c, MOE_OK);
  keep_fields(L, w);
  lua_settop(L, 2);
  lua_rawget(L, 1);
  return 1;
}

/* Gives the table on top its methods, and what they work on. */
static void set_methods(lua_State *L, int box) {
  lua_createtable(L, 0, 2);
  luaL_getmetatable(L, LMOE_ROUTING);
  lua_getfield(L, -1, "index");
  lua_setfield(L, -3, "__index");
  lua_pop(L, 1);
  lua_pushvalue(L, box);
  lua_setfield(L, -2, "routed");
  lua_setmetatable(L, -2);
}

/* ------------------------------------------------------------------ memory */

static void free_routed(lmoe_routed *w) {
  void *const owned[] = {w->r.indices,
                         w->r.weights,
                         w->r.probs,
                         w->r.logits,
                         w->by_expert.counts,
                         w->by_expert.offsets,
                         w->by_expert.slots,
                         w->clean,
                         w->bias,
                         w->noise,
                         w->allowed,
                         w->ids};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
    moe_pool_give(owned[i]);
  for (int i = 0; i < LMOE_LATE_FIELDS; i++) moe_tensor_release(w->fields[i]);
  moe_pool_give(w);
}

void lmoe_routed_release(lmoe_routed *w) {
  if (atomic_fetch_sub(&w->refs, 1) == 1) free_routed(w);
}

void lmoe_routed_give_back(lmoe_routed *w) {
  for (int i = 0; i < LMOE_LATE_FIELDS; i++)
    if (w->fields[i] != NULL) moe__tensor_give_back(w->fields[i]);
  if (w->box == NULL) return;
  lmoe_measure_routing(w);
  w->box->box.pointer = NULL;
  w->box = NULL;
  lmoe_routed_release(w);
}

/* Of the box, or by hand of the table. */
static int l_close(lua_State *L) {
  if (lua_istable(L, 1)) push_box(L, 1);
  lmoe_box *box = lmoe_want_box(L, -1, LMOE_ROUTING);
  lmoe_routed *w = box->pointer;
  box->closed = true;
  if (w == NULL) return 0;
  box->pointer = w->box = NULL;
  lmoe_charge(L, box, 0);
  lmoe_routed_release(w);
  return 0;
}

double *lmoe_route_room(lua_State *L, lmoe_call *c, size_t n) {
  double *room = moe_scratch(&c->call, n, sizeof *room);
  if (room == NULL) lmoe_end(L, c, MOE_ENOMEM);
  return room;
}

/* Of the call's pool, so that the arrays of a training step serve the next. */
static void *new_array(lua_State *L, lmoe_call *c, size_t n, size_t size) {
  void *out = moe_pool_take(c->call.pool, moe_size(n, size), false);
  if (out == NULL)
    lmoe_end(L, c, moe_fail(&c->call, MOE_ENOMEM, "not enough memory"));
  return out;
}

/* One object reads the options of all routings, each of which sets it first:
   its parameters are plain data. */
typedef struct parser {
  moe_object *object;
  moe_route_config defaults;
} parser;

static const char parser_key;

static const parser *get_parser(lua_State *L) {
  const parser *p;
  lmoe_get_registry(L, &parser_key);
  p = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return p;
}

static lmoe_routing_box *push_routing_box(lua_State *L, size_t experts) {
  lmoe_routing_box *box;
  size_t numbers = moe_size(4 * sizeof *box->numbers, experts);
  if (numbers > PTRDIFF_MAX - sizeof *box) luaL_error(L, "not enough memory");
  box = lmoe_push_larger_box(L, LMOE_ROUTING, sizeof *box + numbers);
  box->balance.load = box->numbers;
  box->balance.importance = box->numbers + experts;
  box->total = box->numbers + 2 * experts;
  box->counts = box->numbers + 3 * experts;
  return box;
}

/* Pushes the box of a new one. */
static lmoe_routed *push_routed(lua_State *L, lmoe_call *c, size_t experts) {
  lmoe_routing_box *box = push_routing_box(L, experts);
  lmoe_routed *w = new_array(L, c, 1, sizeof *w);
  *w = (lmoe_routed){.box = box};
  atomic_init(&w->refs, 1);
  box->box.pointer = w;
  w->config = get_parser(L)->defaults;
  return w;
}

#define NEW_ARRAY(L, c, out, n) ((out) = new_array(L, c, (n), sizeof *(out)))

static void new_routing(lua_State *L, lmoe_call *c, lmoe_routed *w) {
  moe_routing *r = &w->r;
  size_t slots = moe_size(r->n, r->width), all = moe_size(r->n, r->experts);
  NEW_ARRAY(L, c, r->indices, slots);
  NEW_ARRAY(L, c, r->weights, slots);
  NEW_ARRAY(L, c, r->probs, all);
  if (moe_route_needs_logits(lmoe_route_config(w), &w->in))
    NEW_ARRAY(L, c, r->logits, all);
  NEW_ARRAY(L, c, w->by_expert.counts, r->experts);
  NEW_ARRAY(L, c, w->by_expert.offsets, r->experts + 1);
  NEW_ARRAY(L, c, w->by_expert.slots, slots);
}

/* ------------------------------------------------------------------ options
 */

/* Options of a call, next to those in the table of parameters. */
static const char *const of_call[] = {
    "bias", "allowed", "ids", "seed", "training", "allow_degenerate", NULL};

static bool is_of_call(const char *name, int type) {
  for (size_t i = 0; of_call[i] != NULL; i++)
    if (strcmp(name, of_call[i]) == 0) return true;
  return strcmp(name, "noise") == 0 && type != LUA_TNUMBER;
}

static void check_names(lua_State *L, int options) {
  const char *known[64];
  size_t n = 0;
  for (const moe_param *p = moe_route_options.params; p->name != NULL; p++)
    known[n++] = p->name;
  for (size_t i = 0; of_call[i] != NULL; i++) known[n++] = of_call[i];
  known[n] = NULL;
  lmoe_check_options(L, options, known);
}

/* The options that are parameters, as a map.  Tensors are no values of those:
   they are told apart before. */
static moe_value check_parameters(lua_State *L, lmoe_call *c, int options) {
  moe_value map, key;
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, options); lua_pop(L, 1)) n++;
  LMOE_TRY(L, c, moe_map_value(&c->call, n, &map));
  n = 0;
  for (lua_pushnil(L); lua_next(L, options); lua_pop(L, 1)) {
    if (lua_isuserdata(L, -1)) continue;
    key = lmoe_check_value(L, c, -2);
    if (is_of_call(key.text, lua_type(L, -1))) continue;
    map.keys[n] = key;
    map.items[n++] = lmoe_check_value(L, c, -1);
  }
  map.n = n;
  return map;
}

static int l_free_parser(lua_State *L) {
  parser *p = lua_touserdata(L, 1);
  moe_object_release(p->object);
  p->object = NULL;
  return 0;
}

static void new_parser(lua_State *L) {
  lmoe_call *c = lmoe_begin(L);
  parser *p = lmoe_push_freed(L, sizeof *p, l_free_parser);
  lmoe_set_registry(L, &parser_key);
  lmoe_end(L, c, moe_object_new(&c->call, &moe_route_options, &p->object));
  p->defaults = ((const moe_route_params *)p->object->params)->route;
  lua_pop(L, 1);
}

/* What the options say is changed in *config. */
static void set_options(lua_State *L, lmoe_call *c, int options,
                        moe_route_config *config) {
  check_names(L, options);
  if (!lua_istable(L, options)) return;
  moe_value map = check_parameters(L, c, options);
  moe_object *o = get_parser(L)->object;
  moe_route_params *params = o->params;
  params->route = *config;
  LMOE_TRY(L, c, moe_object_set(&c->call, o, &map));
  *config = params->route;
}

/* Pushes the option unless it is absent. */
static bool push_option(lua_State *L, int options, const char *name) {
  if (!lua_istable(L, options)) return false;
  lmoe_get_option(L, options, name);
  if (!lua_isnil(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

/* The n numbers of the array on top. */
static void check_numbers(lua_State *L, const char *name, size_t n,
                          double *out) {
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) != n)
    luaL_error(L, "route: '%s' must be an array of %d numbers", name, (int)n);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    out[i] = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(out[i]))
      luaL_error(L, "route: %s[%d] must be a finite number", name, (int)i + 1);
    lua_pop(L, 1);
  }
}

/* Of a tensor: a number an expert, or one an expert and row. */
static void copy_bias(lua_State *L, lmoe_call *c, const moe_tensor *t,
                      lmoe_routed *w) {
  size_t experts = w->r.experts;
  if (t->dtype != MOE_F32 ||
      (t->n != experts && t->n != moe_size(w->r.n, experts)))
    luaL_error(L,
               "route: 'bias' must be %d numbers, for all rows or each, is %s",
               (int)experts, moe_tensor_shape_text(t).text);
  NEW_ARRAY(L, c, w->bias, t->n);
  w->in.bias = w->bias;
  if (t->n != experts) w->in.bias_stride = experts;
  for (size_t i = 0; i < t->n; i++) {
    w->bias[i] = (double)t->f[i];
    if (!isfinite(w->bias[i])) luaL_error(L, "route: 'bias' must be finite");
  }
}

static void check_bias(lua_State *L, lmoe_call *c, int options,
                       const double *otherwise, lmoe_routed *w) {
  bool given = push_option(L, options, "bias");
  if (!given && otherwise == NULL) return;
  if (given && lua_isuserdata(L, -1)) {
    copy_bias(L, c, lmoe_check_tensor(L, -1), w);
    lua_pop(L, 1);
    return;
  }
  NEW_ARRAY(L, c, w->bias, w->r.experts);
  w->in.bias = w->bias;
  if (!given) {
    memcpy(w->bias, otherwise, w->r.experts * sizeof *w->bias);
    return;
  }
  check_numbers(L, "bias", w->r.experts, w->bias);
  lua_pop(L, 1);
}

static void check_ids(lua_State *L, lmoe_call *c, int options, lmoe_routed *w) {
  bool hashed = lmoe_route_config(w)->router == MOE_HASH;
  if (!push_option(L, options, "ids")) {
    if (hashed) luaL_error(L, "route: router 'hash' needs 'ids', one a row");
    return;
  }
  if (!hashed)
    luaL_error(L, "route: 'ids' would change nothing without router 'hash'");
  double *ids = lmoe_route_room(L, c, w->r.n);
  check_numbers(L, "ids", w->r.n, ids);
  NEW_ARRAY(L, c, w->ids, w->r.n);
  for (size_t i = 0; i < w->r.n; i++) {
    if (ids[i] != floor(ids[i]) || fabs(ids[i]) > 0x1p53)
      luaL_error(L, "route: ids[%d] must be an integer", (int)i + 1);
    w->ids[i] = (int64_t)ids[i];
  }
  w->in.ids = w->ids;
  lua_pop(L, 1);
}

/* The array of flags on top, one an expert. */
static void check_flags(lua_State *L, size_t n, unsigned char *out) {
  size_t allowed = 0;
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) != n)
    luaL_error(L,
               "route: 'allowed' must be an array of %d flags, or one of these "
               "for each row",
               (int)n);
  for (size_t e = 0; e < n; e++) {
    lua_rawgeti(L, -1, (int)e + 1);
    if (!lua_isboolean(L, -1))
      luaL_error(L, "route: 'allowed' holds true and false, got a %s",
                 luaL_typename(L, -1));
    allowed += out[e] = (unsigned char)lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  if (allowed == 0) luaL_error(L, "route: 'allowed' leaves a row no expert");
}

static void check_allowed(lua_State *L, lmoe_call *c, int options,
                          lmoe_routed *w) {
  size_t experts = w->r.experts, rows = 1;
  if (!push_option(L, options, "allowed")) return;
  if (lua_istable(L, -1)) {
    lua_rawgeti(L, -1, 1);
    if (lua_istable(L, -1)) {
      rows = w->r.n;
      w->in.allowed_stride = experts;
    }
    lua_pop(L, 1);
    if (w->in.allowed_stride > 0 && lua_rawlen(L, -1) != rows)
      luaL_error(L, "route: 'allowed' must have %d rows", (int)rows);
  }
  NEW_ARRAY(L, c, w->allowed, moe_size(rows, experts));
  for (size_t i = 0; i < rows; i++) {
    if (w->in.allowed_stride > 0) lua_rawgeti(L, -1, (int)i + 1);
    check_flags(L, experts, w->allowed + i * experts);
    if (w->in.allowed_stride > 0) lua_pop(L, 1);
  }
  w->in.allowed = w->allowed;
  lua_pop(L, 1);
}

void lmoe_route_matrix(lua_State *L, lmoe_call *c, int index, const char *what,
                       size_t rows, size_t columns, double *out) {
  moe_rows x;
  lmoe_check_rows(L, c, index, &x);
  LMOE_TRY(L, c, moe_rows_check(&c->call, &x, false));
  if (x.n != rows || x.d != columns)
    luaL_error(L, "route: '%s' must be %d rows of %d numbers, got %d of %d",
               what, (int)rows, (int)columns, (int)x.n, (int)x.d);
  moe_rows_doubles(&x, 0, rows, out);
}

/* Noise of a deviation for each logit. */
static void check_noise(lua_State *L, lmoe_call *c, int options,
                        lmoe_routed *w) {
  size_t n = moe_size(w->r.n, w->r.experts);
  if (!push_option(L, options, "noise")) return;
  if (lua_type(L, -1) != LUA_TNUMBER) {
    NEW_ARRAY(L, c, w->noise, n);
    lmoe_route_matrix(L, c, lua_gettop(L), "noise", w->r.n, w->r.experts,
                      w->noise);
    for (size_t i = 0; i < n; i++)
      if (w->noise[i] < 0)
        luaL_error(L,
                   "route: 'noise' holds standard deviations, but one is "
                   "below 0");
    w->in.noise = w->noise;
  }
  lua_pop(L, 1);
}

/* -------------------------------------------------------------------- route
 */

/* Whatever becomes of the rows while options are read, the copy stays. */
static void copy_logits(lua_State *L, lmoe_call *c, const moe_rows *x,
                        lmoe_routed *w) {
  if (x->d == 0) luaL_error(L, "route: the logits have no columns");
  w->r.n = x->n;
  w->in.experts = w->in.stride = w->r.experts = x->d;
  NEW_ARRAY(L, c, w->clean, moe_size(x->n, x->d));
  moe_rows_doubles(x, 0, x->n, w->clean);
  w->in.logits = w->clean;
}

static void copy_config(const moe_route_config *from, lmoe_routed *w) {
  moe_route_config *to = &w->config;
  to->score = from->score;
  to->top_k = from->top_k;
  to->renormalize = from->renormalize;
  to->temperature = from->temperature;
  to->threshold = from->threshold;
  to->expert_dropout = from->expert_dropout;
}

static void check_inputs(lua_State *L, lmoe_call *c, int options,
                         const double *bias, lmoe_routed *w) {
  set_options(L, c, options, &w->config);
  w->in.training = lmoe_opt_flag(L, options, "training", false);
  w->in.seed = (uint64_t)lmoe_opt_number(L, options, "seed", 0, 0x1p53, 0);
  bool learns =
      w->in.training && !lmoe_opt_flag(L, options, "allow_degenerate", false);
  LMOE_TRY(
      L, c,
      moe_route_check(&c->call, lmoe_route_config(w), w->r.experts, learns));
  w->r.width = moe_route_width(lmoe_route_config(w), w->r.experts);
  check_bias(L, c, options, bias, w);
  check_allowed(L, c, options, w);
  check_ids(L, c, options, w);
  check_noise(L, c, options, w);
}

void lmoe_push_routed(lua_State *L, lmoe_call *c, const moe_rows *logits,
                      const moe_route_config *otherwise, const double *bias,
                      int options) {
  lmoe_routed *w = push_routed(L, c, logits->d);
  int box = lua_gettop(L);
  copy_logits(L, c, logits, w);
  if (otherwise != NULL) copy_config(otherwise, w);
  check_inputs(L, c, options, bias, w);
  new_routing(L, c, w);
  LMOE_TRY(L, c,
           moe_route_batch(&c->call, lmoe_route_config(w), &w->in, &w->r,
                           &w->by_expert));
  if (c->call.pool == NULL)
    lmoe_charge(L, lua_touserdata(L, box),
                moe_size(moe_size(w->r.n, w->r.experts), 3 * sizeof(double)));
  lua_newtable(L);
  lmoe_set_selection(L, c, &w->r);
  set_methods(L, box);
  lua_remove(L, box);
}

void lmoe_check_logits(lua_State *L, lmoe_call *c, int index, moe_rows *x) {
  lmoe_check_rows(L, c, index, x);
  moe_status status = moe_rows_check(&c->call, x, false);
  if (status != MOE_EDATA) {
    LMOE_TRY(L, c, status);
    return;
  }
  double *row = lmoe_route_room(L, c, x->d);
  for (size_t i = 0; i < x->n; i++) {
    moe_rows_doubles(x, i, 1, row);
    if (!moe_is_finite(row, x->d))
      luaL_error(L, "route: row %d has logits that are not finite", (int)i + 1);
  }
}

/* check_logits(logits): of whoever selects nothing by them. */
static int l_check_logits(lua_State *L) {
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_check_logits(L, c, 1, &x);
  lmoe_end(L, c, MOE_OK);
  return 0;
}

/* route(logits, options): { indices, weights, probs, counts, rows, choices,
   places, dropped } with methods.  A tensor is read as float32, rows of Lua
   numbers as doubles. */
static int l_route(lua_State *L) {
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_check_logits(L, c, 1, &x);
  lmoe_push_routed(L, c, &x, NULL, NULL, 2);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static const luaL_Reg functions[] = {
    {"route", l_route}, {"_check_logits", l_check_logits}, {NULL, NULL}};

void lmoe_open_route(lua_State *L) {
  new_parser(L);
  lmoe_new_family(L, LMOE_ROUTING, lmoe_routing_methods, l_close);
  luaL_getmetatable(L, LMOE_ROUTING);
  lua_getfield(L, -1, "methods");
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -2, "index");
  lua_pop(L, 1);
  lmoe_set_functions(L, functions);
}
