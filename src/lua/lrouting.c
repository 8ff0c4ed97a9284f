/* The methods of what moe.route gives: losses and gradients, statistics, and
   the next selection bias. */
#include <math.h>
#include <string.h>

#include "lroute.h"
#include "tensor.h"

static int push_matrix(lua_State *L, lmoe_call *c, size_t rows, size_t columns,
                       const double *x) {
  const int64_t shape[2] = {(int64_t)rows, (int64_t)columns};
  moe_tensor *t;
  LMOE_TRY(L, c, moe_tensor_new(&c->call, MOE_F32, 2, shape, &t));
  lmoe_push_tensor(L, t);
  for (size_t i = 0; i < rows * columns; i++) t->f[i] = (float)x[i];
  return 1;
}

static void push_numbers(lua_State *L, const double *x, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushnumber(L, x[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

/* ---------------------------------------------------------------- gradients
 */

/* From the gradients by weights and probabilities (or NULL) to that by the
   logits as they were prepared. */
static void to_prepared(const lmoe_routed *w, const double *by_weights,
                        const double *by_probs, double *out) {
  const moe_routing *r = &w->r;
  for (size_t i = 0; i < r->n; i++)
    moe_route_backward(lmoe_route_config(w), r->experts, r->width,
                       r->probs + i * r->experts, r->indices + i * r->width,
                       r->weights + i * r->width,
                       by_weights != NULL ? by_weights + i * r->width : NULL,
                       by_probs != NULL ? by_probs + i * r->experts : NULL,
                       out + i * r->experts);
}

/* On to the logits themselves, in place, and to their deviations. */
static void to_clean(const lmoe_routed *w, double *gradient, double *by_noise) {
  size_t n = w->r.experts;
  if (!w->in.training) return;
  for (size_t i = 0; i < w->r.n; i++)
    moe_route_unprepare(lmoe_route_config(w), &w->in, i, gradient + i * n,
                        by_noise + i * n);
}

static const double *opt_matrix(lua_State *L, lmoe_call *c, int options,
                                const char *name, size_t rows, size_t columns) {
  double *out = NULL;
  lmoe_get_option(L, options, name);
  if (!lua_isnil(L, -1)) {
    out = lmoe_route_room(L, c, moe_size(rows, columns));
    lmoe_route_matrix(L, c, lua_gettop(L), name, rows, columns, out);
  }
  lua_pop(L, 1);
  return out;
}

/* backward{ weights = …, probs = … }: the gradient by the logits, and that by
   the deviations of their noise, from those by the weights and by the
   probabilities. */
static int l_backward(lua_State *L) {
  static const char *const known[] = {"weights", "probs", NULL};
  const lmoe_routed *w = lmoe_check_routed(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lmoe_check_options(L, 2, known);
  lmoe_call *c = lmoe_begin(L);
  size_t n = w->r.n, experts = w->r.experts;
  double *gradient = lmoe_route_room(L, c, moe_size(n, experts));
  double *by_noise = lmoe_route_room(L, c, moe_size(n, experts));
  const double *weights = opt_matrix(L, c, 2, "weights", n, w->r.width);
  const double *probs = opt_matrix(L, c, 2, "probs", n, experts);
  to_prepared(w, weights, probs, gradient);
  to_clean(w, gradient, by_noise);
  push_matrix(L, c, n, experts, gradient);
  push_matrix(L, c, n, experts, by_noise);
  lmoe_end(L, c, MOE_OK);
  return 2;
}

/* ------------------------------------------------------------------- losses
 */

typedef lmoe_routing_loss loss;

enum { BY_LOGITS = 2 }; /* losses that are, numbered from -2 */

static void measure_balance(lua_State *L, lmoe_call *c, loss *l, int kind) {
  const moe_routing *r = &l->w->r;
  double *columns = lmoe_route_room(L, c, moe_size(r->experts, 3));
  l->value = moe_routing_loss((moe_balance_loss)kind, r, columns, 1, l->room);
  to_prepared(l->w, NULL, l->room, l->gradient);
  to_clean(l->w, l->gradient, l->by_noise);
}

static void measure_z(lua_State *L, lmoe_call *c, loss *l) {
  (void)L;
  (void)c;
  l->value =
      moe_z_loss(l->w->r.n, l->w->r.experts, l->w->clean, 1, l->gradient);
}

/* The deviations of all logits, which the load loss needs above 0. */
static double *new_deviations(lua_State *L, lmoe_call *c,
                              const lmoe_routed *w) {
  size_t n = moe_size(w->r.n, w->r.experts);
  double *out = lmoe_route_room(L, c, n);
  for (size_t i = 0; i < n; i++) {
    out[i] = (w->noise != NULL ? w->noise[i] : 0) + lmoe_route_config(w)->noise;
    if (!w->in.training || !(out[i] > 0))
      luaL_error(L,
                 "loss: 'load' is for noisy routing: it needs 'training' "
                 "and a 'noise' above 0");
  }
  return out;
}

/* By the noisy logits it goes on to the clean ones and to the deviations. */
static void measure_load(lua_State *L, lmoe_call *c, loss *l) {
  const lmoe_routed *w = l->w;
  size_t n = moe_size(w->r.n, w->r.experts);
  double *noisy = lmoe_route_room(L, c, n);
  double *through = lmoe_route_room(L, c, n);
  moe_load load = {.n = w->r.n,
                   .experts = w->r.experts,
                   .k = w->r.width,
                   .logits = w->clean,
                   .noisy = w->r.logits,
                   .deviations = new_deviations(L, c, w),
                   .by_logits = l->gradient,
                   .by_noisy = noisy,
                   .by_deviations = l->by_noise,
                   .scale = 1,
                   .room = lmoe_route_room(L, c, w->r.experts)};
  load.held = moe_scratch(&c->call, w->r.width + 1, sizeof *load.held);
  if (load.held == NULL) lmoe_end(L, c, MOE_ENOMEM);
  l->value = moe_load_loss(&load);
  to_clean(w, noisy, through);
  for (size_t i = 0; i < n; i++) {
    l->gradient[i] += noisy[i];
    l->by_noise[i] += through[i];
  }
}

/* Which of the losses of balance.h; -1 and -2 are those by the logits. */
static int check_kind(lua_State *L, int index) {
  const char *name = luaL_checkstring(L, index);
  if (strcmp(name, "z") == 0) return -1;
  if (strcmp(name, "load") == 0) return -2;
  for (int k = 0; moe_loss_choices[k] != NULL; k++)
    if (strcmp(moe_loss_choices[k], name) == 0) return k;
  return luaL_error(L,
                    "loss: there is no '%s'; there are switch, gshard, "
                    "importance, collapse, entropy, z and load",
                    name);
}

lmoe_routing_loss lmoe_measure_loss(lua_State *L, lmoe_call *c, int index,
                                    const lmoe_routed *w, double *room) {
  int kind = check_kind(L, index);
  size_t n = moe_size(w->r.n, w->r.experts);
  if (room == NULL) room = lmoe_route_room(L, c, moe_size(n, 3));
  loss l = {
      .w = w, .gradient = room, .by_noise = room + n, .room = room + 2 * n};
  switch (kind) {
    case -1: measure_z(L, c, &l); break;
    case -2: measure_load(L, c, &l); break;
    default: measure_balance(L, c, &l, kind); break;
  }
  if (w->box != NULL) {
    w->box->losses[kind + BY_LOGITS] = l.value;
    w->box->asked |= 1u << (kind + BY_LOGITS);
  }
  return l;
}

double lmoe_known_loss(lua_State *L, int index, const lmoe_routing_box *box) {
  int kind = check_kind(L, index) + BY_LOGITS;
  if (!(box->asked >> kind & 1))
    luaL_error(L,
               "loss: this routing was given back by backward, and '%s' had "
               "not been asked for; ask before, or routing:retain()",
               lua_tostring(L, index));
  return box->losses[kind];
}

/* loss(kind): its value, and its gradients by the logits and by the deviations
   of their noise. */
static int l_loss(lua_State *L) {
  const lmoe_routed *w = lmoe_check_routed(L, 1);
  lmoe_call *c = lmoe_begin(L);
  loss l = lmoe_measure_loss(L, c, 2, w, NULL);
  lua_pushnumber(L, l.value);
  push_matrix(L, c, w->r.n, w->r.experts, l.gradient);
  push_matrix(L, c, w->r.n, w->r.experts, l.by_noise);
  lmoe_end(L, c, MOE_OK);
  return 3;
}

/* --------------------------------------------------------------- statistics
 */

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* Pushes the list of a name in the table on top, which has it from before, or
   now. */
static void push_list(lua_State *L, const char *name) {
  lmoe_get_option(L, lua_gettop(L), name);
  if (lua_istable(L, -1)) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, name);
}

static void set_numbers(lua_State *L, const char *name, const double *x,
                        size_t n) {
  push_list(L, name);
  for (size_t i = 0; i < n; i++) {
    lua_pushnumber(L, x[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_pop(L, 1);
}

/* The numbers of the experts that no row selected. */
static void set_dead(lua_State *L, const moe_balance *b, size_t experts) {
  int n = 0;
  push_list(L, "dead");
  for (size_t e = 0; b->dead > 0 && e < experts; e++)
    if (b->load[e] == 0) {
      lua_pushinteger(L, (lua_Integer)e + 1);
      lua_rawseti(L, -2, ++n);
    }
  for (int i = (int)lua_rawlen(L, -1); i > n; i--) {
    lua_pushnil(L);
    lua_rawseti(L, -2, i);
  }
  lua_pop(L, 1);
}

static double largest_logit(const lmoe_routed *w) {
  double most = 0;
  for (size_t i = 0; i < w->r.n * w->r.experts; i++)
    if (fabs(w->clean[i]) > most) most = fabs(w->clean[i]);
  return most;
}

/* Adds what the statistics at `before` have counted so far to `total`. */
static void add_total(lua_State *L, int before, size_t experts, double *total) {
  if (lua_isnoneornil(L, before)) return;
  luaL_checktype(L, before, LUA_TTABLE);
  lmoe_get_option(L, before, "total");
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) != experts)
    luaL_error(L, "stats: earlier statistics of %d experts expected",
               (int)experts);
  for (size_t e = 0; e < experts; e++) {
    lua_rawgeti(L, -1, (int)e + 1);
    total[e] += lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void lmoe_measure_routing(const lmoe_routed *w) {
  lmoe_routing_box *box = w->box;
  if (box->measured) return;
  moe_routing_balance(&w->r, &box->balance);
  moe__count_load(&w->r, box->total);
  for (size_t e = 0; e < w->r.experts; e++)
    box->counts[e] = (double)w->by_expert.counts[e];
  box->logit_max = largest_logit(w);
  box->measured = true;
}

/* The figures of the table at 1, though backward have given it back. */
static const lmoe_routing_box *check_measured(lua_State *L) {
  lmoe_routing_box *box = lmoe_check_routing_box(L, 1);
  if (box->box.pointer != NULL) lmoe_measure_routing(box->box.pointer);
  return box;
}

static void set_balance(lua_State *L, const moe_balance *b, size_t experts) {
  set_number(L, "rows", (double)b->rows);
  set_number(L, "cv_load", b->cv_load);
  set_number(L, "cv_importance", b->cv_importance);
  set_number(L, "maxvio", b->maxvio);
  set_number(L, "entropy", b->entropy);
  set_number(L, "confidence", b->confidence);
  set_number(L, "dropped", b->dropped);
  set_dead(L, b, experts);
  set_numbers(L, "load", b->load, experts);
  set_numbers(L, "importance", b->importance, experts);
}

/* stats(before, into): load, importance, … of this routing; with the statistics
   of an earlier one `total` and `maxvio_running` go on from there.  `into`: the
   table that they are put in, a new one unless given. */
static int l_stats(lua_State *L) {
  const lmoe_routing_box *box = check_measured(L);
  size_t experts = (size_t)(box->balance.importance - box->balance.load);
  lua_settop(L, 3);
  lmoe_call *c = lmoe_begin(L);
  double *total = lmoe_route_room(L, c, experts);
  memcpy(total, box->total, experts * sizeof *total);
  add_total(L, 2, experts, total);
  if (lua_istable(L, 3))
    lua_pushvalue(L, 3);
  else
    lua_newtable(L);
  set_balance(L, &box->balance, experts);
  set_number(L, "maxvio_running", moe_maxvio(total, experts));
  set_number(L, "logit_max", box->logit_max);
  set_numbers(L, "counts", box->counts, experts);
  set_numbers(L, "total", total, experts);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* next_bias(): the selection bias after an update by this routing, as the
   options bias_update and bias_rate say. */
static int l_next_bias(lua_State *L) {
  const lmoe_routed *w = lmoe_check_routed(L, 1);
  const moe_route_config *config = lmoe_route_config(w);
  const moe_routing *r = &w->r;
  lmoe_call *c = lmoe_begin(L);
  double *bias = lmoe_route_room(L, c, r->experts);
  double *room = lmoe_route_room(L, c, moe_bias_room(r->n, r->experts));
  int32_t *held = moe_scratch(&c->call, r->width + 1, sizeof *held);
  if (held == NULL) lmoe_end(L, c, MOE_ENOMEM);
  if (w->bias != NULL && w->in.bias_stride == 0)
    memcpy(bias, w->bias, r->experts * sizeof *bias);
  moe_bias_step((enum moe_bias_update)config->bias_update, config->bias_rate, r,
                room, held, bias);
  push_numbers(L, bias, r->experts);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* retain(): backward does not give the routing back. */
static int l_retain(lua_State *L) {
  lmoe_check_routed(L, 1)->retained = true;
  lua_settop(L, 1);
  return 1;
}

const luaL_Reg lmoe_routing_methods[] = {
    {"backward", l_backward}, {"retain", l_retain},       {"loss", l_loss},
    {"stats", l_stats},       {"next_bias", l_next_bias}, {NULL, NULL}};
