/* Routings as operations that gradients flow through: F.route(logits, options)
   gives the weights of the selected experts, and the routing; F.routing_loss
   (routing, kind, logits [, deviations]) one of its losses.

   backward gives the routing back as it does the values in between, unless it
   is retained. */
#include <string.h>

#include "lroute.h"
#include "ltape.h"

/* ------------------------------------------------------------------ weights
 */

typedef struct weights {
  lmoe_routed *w;
  moe_tensor *indices;
  bool used;
} weights;

static void free_weights(moe_record *r) {
  weights *own = r->own;
  if (own->w == NULL) return;
  if (own->used && !own->w->retained) {
    lmoe_routed_give_back(own->w);
    moe__tensor_give_back(own->indices);
  }
  lmoe_routed_release(own->w);
  moe_tensor_release(own->indices);
}

/* Where the gradient by input i goes, zeroed where it is fresh; NULL: nowhere.
 */
static moe_status find_place(moe_call *call, moe_record *r, size_t i,
                             float **out) {
  bool fresh = false;
  *out = NULL;
  if (i >= r->n_inputs) return MOE_OK;
  MOE_TRY(moe_tape_gradient(call, r, i, out, &fresh));
  if (fresh) memset(*out, 0, r->inputs[i]->n * sizeof **out);
  return MOE_OK;
}

static void add(const double *from, size_t n, float *to) {
  for (size_t e = 0; to != NULL && e < n; e++) to[e] += (float)from[e];
}

static moe_status back_weights(moe_call *call, moe_record *r,
                               const moe_tensor *out, const float *g) {
  weights *own = r->own;
  const lmoe_routed *w = own->w;
  const moe_routing *routing = &w->r;
  size_t n = routing->experts, width = routing->width;
  float *by_logits, *by_noise;
  (void)out;
  double *room = moe_scratch(call, moe_size(2 * n + width, 1), sizeof *room);
  if (room == NULL) return MOE_ENOMEM;
  double *row = room, *noise = row + n, *by_weights = noise + n;
  MOE_TRY(find_place(call, r, 0, &by_logits));
  MOE_TRY(find_place(call, r, 1, &by_noise));
  for (size_t i = 0; i < routing->n; i++) {
    for (size_t k = 0; k < width; k++) by_weights[k] = (double)g[i * width + k];
    moe_route_backward(lmoe_route_config(w), n, width, routing->probs + i * n,
                       routing->indices + i * width,
                       routing->weights + i * width, by_weights, NULL, row);
    memset(noise, 0, n * sizeof *noise);
    if (w->in.training)
      moe_route_unprepare(lmoe_route_config(w), &w->in, i, row, noise);
    add(row, n, by_logits != NULL ? by_logits + i * n : NULL);
    add(noise, n, by_noise != NULL ? by_noise + i * n : NULL);
  }
  own->used = true;
  return MOE_OK;
}

static const moe_operation routing_operation = {.name = "route",
                                                .size = sizeof(weights),
                                                .backward = back_weights,
                                                .release = free_weights};

static moe_tensor *get_field(lua_State *L, int table, const char *name) {
  lmoe_get_option(L, table, name);
  moe_tensor *t = lmoe_test_tensor(L, -1);
  lua_pop(L, 1); /* the table keeps it */
  return t;
}

/* Makes `out` the result of an operation; *own as in moe_tape_record. */
static moe_status make_result(lmoe_call *c, const moe_operation *operation,
                              moe_tensor *out, size_t n,
                              moe_tensor *const *inputs, void *own) {
  moe_tensor *held = moe_tensor_retain(out);
  moe_status status =
      moe_tape_record(&c->call, operation, &held, n, inputs, own);
  moe_tensor_release(held);
  return status;
}

static int l_route(lua_State *L) {
  lua_settop(L, 2);
  luaL_checktype(L, 2, LUA_TTABLE);
  lmoe_call *c = lmoe_begin(L);
  moe_tensor *in[] = {lmoe_check_tensor(L, 1), get_field(L, 2, "noise")};
  lmoe_put_on_tape(L, c, 2, in);
  moe_rows x;
  weights *own;
  lmoe_check_logits(L, c, 1, &x);
  lmoe_push_routed(L, c, &x, NULL, NULL, 2);
  int table = lua_gettop(L);
  in[0] = lmoe_check_tensor(L, 1); /* finalisers may have closed them */
  in[1] = get_field(L, 2, "noise");
  moe_tensor *out = get_field(L, table, "weights");
  LMOE_TRY(
      L, c,
      make_result(c, &routing_operation, out, in[1] != NULL ? 2 : 1, in, &own));
  if (own != NULL) {
    own->w = lmoe_check_routed(L, table);
    atomic_fetch_add(&own->w->refs, 1);
    own->indices = moe_tensor_retain(get_field(L, table, "indices"));
  }
  lmoe_end(L, c, MOE_OK);
  lua_getfield(L, table, "weights");
  lua_pushvalue(L, table);
  return 2;
}

/* -------------------------------------------------------------------- losses
 */

typedef struct measured {
  double *gradients; /* by each input in turn: the pool's */
} measured;

static void free_measured(moe_record *r) {
  moe_pool_give(((measured *)r->own)->gradients);
}

static moe_status back_measured(moe_call *call, moe_record *r,
                                const moe_tensor *out, const float *g) {
  const double *from = ((measured *)r->own)->gradients;
  (void)out;
  for (size_t i = 0; i < r->n_inputs; i++) {
    size_t n = r->inputs[i]->n;
    float *to;
    MOE_TRY(find_place(call, r, i, &to));
    for (size_t k = 0; to != NULL && k < n; k++) to[k] += g[0] * (float)from[k];
    from += n;
  }
  return MOE_OK;
}

static const moe_operation loss_operation = {.name = "a loss of a routing",
                                             .size = sizeof(measured),
                                             .backward = back_measured,
                                             .release = free_measured};

static void check_input(lua_State *L, const lmoe_routed *w,
                        const moe_tensor *t) {
  if (t->dtype == MOE_F32 && t->n == w->r.n * w->r.experts) return;
  luaL_error(L, "routing_loss: the routing has %d rows of %d logits, not %s",
             (int)w->r.n, (int)w->r.experts, moe_tensor_shape_text(t).text);
}

static const int64_t one = 1;

/* A loss that was asked for before backward: a plain number now. */
static int push_known_loss(lua_State *L, const lmoe_routing_box *box) {
  double value = lmoe_known_loss(L, 2, box);
  lmoe_call *c = lmoe_begin(L);
  moe_tensor *out;
  LMOE_TRY(L, c, moe_tensor_new(&c->call, MOE_F32, 1, &one, &out));
  out->f[0] = (float)value;
  lmoe_push_tensor(L, out);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static int l_routing_loss(lua_State *L) {
  lua_settop(L, 4);
  const lmoe_routing_box *box = lmoe_check_routing_box(L, 1);
  if (box->box.pointer == NULL) return push_known_loss(L, box);
  lmoe_call *c = lmoe_begin(L);
  const lmoe_routed *w = lmoe_check_routed(L, 1);
  moe_tensor *in[] = {lmoe_check_tensor(L, 3),
                      lua_isnil(L, 4) ? NULL : lmoe_check_tensor(L, 4)};
  size_t n_inputs = in[1] != NULL ? 2 : 1;
  for (size_t i = 0; i < n_inputs; i++) check_input(L, w, in[i]);
  lmoe_put_on_tape(L, c, 2, in);
  moe_tensor *out;
  measured *own;
  double *room = NULL;
  LMOE_TRY(L, c, moe_tensor_make(&c->call, MOE_F32, 1, &one, &out));
  LMOE_TRY(
      L, c,
      moe_tape_record(&c->call, &loss_operation, &out, n_inputs, in, &own));
  lmoe_push_tensor(L, out);
  w = lmoe_check_routed(L, 1); /* a finaliser may have closed it */
  if (own != NULL) {
    size_t n = moe_size(3, w->r.n * w->r.experts);
    room = own->gradients =
        moe_pool_take(c->call.pool, moe_size(n, sizeof *room), true);
    if (room == NULL)
      lmoe_end(L, c, moe_fail(&c->call, MOE_ENOMEM, "not enough memory"));
  }
  out->f[0] = (float)lmoe_measure_loss(L, c, 2, w, room).value;
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static const luaL_Reg functions[] = {
    {"route", l_route}, {"routing_loss", l_routing_loss}, {NULL, NULL}};

void lmoe_open_route_tape(lua_State *L) { lmoe_set_functions(L, functions); }
