/* What mixtures alone can do: route; and the clusters that they begin from. */
#include <math.h>

#include "kmeans.h"
#include "lroute.h"
#include "mixture.h"

static void set_named(lua_State *L, const char *field, const moe_children *e,
                      const double *values) {
  lua_newtable(L);
  for (size_t i = 0; i < e->n; i++) {
    lua_pushnumber(L, values[i]);
    lua_setfield(L, -2, e->names[i]);
  }
  lua_setfield(L, -2, field);
}

static void set_names(lua_State *L, const moe_children *experts) {
  lua_newtable(L);
  for (size_t i = 0; i < experts->n; i++) {
    lua_pushstring(L, experts->names[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "names");
}

static const moe_object *check_mixture(lua_State *L) {
  const moe_object *o = lmoe_check_object(L, 1, LMOE_LEARNER);
  if (o->type != &moe_mixture_of_experts.type)
    luaL_error(L, "%s is not a mixture", o->type->name);
  return o;
}

/* Rows follow the mixture's columns before they are routed. */
static void check_rows(lua_State *L, lmoe_call *c, const moe_object *o,
                       bool sample, moe_rows *x) {
  const moe_fitted *f = o->state;
  if (sample)
    lmoe_check_sample(L, c, 2, f != NULL ? &f->schema : NULL, x);
  else
    lmoe_check_rows(L, c, 2, x);
  if (f != NULL) LMOE_TRY(L, c, moe_rows_follow(&c->call, x, &f->schema));
}

static void route(lua_State *L, lmoe_call *c, const moe_object *o, bool sample,
                  moe_routing *r) {
  size_t experts = moe_mixture_params_of(o)->experts.n;
  moe_rows x;
  *r = (moe_routing){0};
  check_rows(L, c, o, sample, &x);
  r->indices = moe_scratch(&c->call, moe_size(x.n, experts), sizeof(int32_t));
  r->weights = moe_scratch(&c->call, moe_size(x.n, experts), sizeof(double));
  r->probs = moe_scratch(&c->call, moe_size(x.n, experts), sizeof(double));
  if (r->indices == NULL || r->weights == NULL || r->probs == NULL)
    lmoe_end(L, c, MOE_ENOMEM);
  LMOE_TRY(L, c, moe_mixture_route(&c->call, o, &x, r));
}

/* route(X, options): what moe.route gives for the gate's log-probabilities, and
   the names of the experts; options that are not given are the mixture's. */
static int l_route(lua_State *L) {
  const moe_object *o = check_mixture(L);
  const moe_mixture_params *p = moe_mixture_params_of(o);
  lua_settop(L, 3);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x, logits;
  check_rows(L, c, o, false, &x);
  double *room = lmoe_route_room(L, c, moe_size(x.n, p->experts.n));
  LMOE_TRY(L, c, moe_mixture_logits(&c->call, o, &x, room));
  logits = moe_rows_of_doubles(room, x.n, p->experts.n);
  lmoe_push_routed(L, c, &logits, &p->route, moe_mixture_bias(o), 3);
  set_names(L, &p->experts);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* route_one(x): { indices, weights, probs, names } of one sample. */
static int l_route_one(lua_State *L) {
  const moe_object *o = check_mixture(L);
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_routing r;
  route(L, c, o, true, &r);
  lmoe_push_routing(L, c, &r);
  set_names(L, &moe_mixture_params_of(o)->experts);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* _stats_of(X): the balance of the routing of these rows. */
static int l_stats_of(lua_State *L) {
  const moe_object *o = check_mixture(L);
  const moe_children *experts = &moe_mixture_params_of(o)->experts;
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_routing r;
  moe_balance b;
  route(L, c, o, false, &r);
  b.load = moe_scratch(&c->call, experts->n, sizeof *b.load);
  b.importance = moe_scratch(&c->call, experts->n, sizeof *b.importance);
  if (b.load == NULL || b.importance == NULL) lmoe_end(L, c, MOE_ENOMEM);
  moe_routing_balance(&r, &b);
  lua_newtable(L);
  set_number(L, "rows", (double)b.rows);
  set_number(L, "cv_load", b.cv_load);
  set_number(L, "cv_importance", b.cv_importance);
  set_number(L, "maxvio", b.maxvio);
  set_number(L, "entropy", b.entropy);
  set_number(L, "confidence", b.confidence);
  set_named(L, "load", experts, b.load);
  set_named(L, "importance", experts, b.importance);
  set_names(L, experts);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

/* -------------------------------------------------------- on a stream */

/* Field of the table below the top: what is known of expert e. */
static void set_for(lua_State *L, const moe_object *o, size_t e) {
  const char *name = moe__stream_name(o, e);
  if (name != NULL)
    lua_setfield(L, -2, name);
  else
    lua_pop(L, 1);
}

/* What a mean of expert e is to be divided by. */
typedef double (*divisor)(const moe_object *o, const moe_stream *st, size_t e);

/* `field` of the table on top: what runs with each expert, without those that
   have not run yet. */
static void set_running(lua_State *L, const moe_object *o, const moe_stream *st,
                        const char *field, const double *run, divisor of) {
  lua_createtable(L, 0, (int)st->n);
  for (size_t e = 0; e < st->n; e++) {
    double over = of(o, st, e);
    if (!(over > 0)) continue;
    lua_pushnumber(L, run[e] / over);
    set_for(L, o, e);
  }
  lua_setfield(L, -2, field);
}

static double over_all(const moe_object *o, const moe_stream *st, size_t e) {
  (void)st, (void)e;
  return moe__stream_cover(o);
}

/* What is new or began anew is looked on since then; a span that was set on the
   way makes that a guess, and a mean of probabilities is none above 1. */
static double over_its_own(const moe_object *o, const moe_stream *st,
                           size_t e) {
  double age = (double)st->steps - st->run.born[e];
  double cover = -expm1(age * log1p(-st->share));
  bool begins_at_0 =
      moe__streaming_of(moe_mixture_params_of(o)->stream)->measure ==
      MOE_AFTER_LEARNING;
  return begins_at_0 || !(cover > 0) ? 1 : fmax(cover, st->run.used[e]);
}

static double over_one(const moe_object *o, const moe_stream *st, size_t e) {
  (void)o, (void)st, (void)e;
  return 1;
}

static double over_asked(const moe_object *o, const moe_stream *st, size_t e) {
  (void)o;
  return st->run.cover[e];
}

/* The samples that each has learned, and the shares of its warm-up that are
   over. */
static void set_progress(lua_State *L, const moe_object *o) {
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  lua_createtable(L, 0, (int)st->n);
  for (size_t e = 0; e < st->n; e++) {
    lmoe_push_number(L, st->run.taught[e]);
    set_for(L, o, e);
  }
  lua_setfield(L, -2, "learned");
  lua_createtable(L, 0, (int)st->n);
  for (size_t e = 0; e < st->n; e++) {
    double taught = st->run.taught[e];
    lua_pushnumber(L, taught < st->warmup[e] ? taught / st->warmup[e] : 1);
    set_for(L, o, e);
  }
  lua_setfield(L, -2, "warmup");
}

static void set_dead(lua_State *L, const moe_object *o, const moe_stream *st) {
  const moe_mixture_params *p = moe_mixture_params_of(o);
  const moe_streaming *options = moe__streaming_of(p->stream);
  size_t selects = moe_route_width(&p->route, st->n);
  int n = 0;
  lua_newtable(L);
  for (size_t e = 0; e < st->n; e++) {
    moe_life life = moe__life_of(options, st, e, selects);
    const char *name = moe__stream_name(o, e);
    if (!moe__is_dead(options, life) || name == NULL) continue;
    lua_pushstring(L, name);
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -2, "dead");
}

/* The oldest first. */
static void set_events(lua_State *L, const moe_object *o) {
  static const char *const kinds[] = {"drift", "reset", "clone", "fork",
                                      "take_over"};
  const moe_stream *st = &((const moe_mixture *)o->state)->stream;
  int64_t first =
      st->n_events > MOE_MOST_EVENTS ? st->n_events - MOE_MOST_EVENTS : 0;
  lua_newtable(L);
  for (int64_t i = first; i < st->n_events; i++) {
    size_t at = (size_t)(i % MOE_MOST_EVENTS);
    lua_newtable(L);
    lmoe_push_number(L, (double)st->event_at[at]);
    lua_setfield(L, -2, "at");
    lua_pushstring(L, kinds[st->event[at]]);
    lua_setfield(L, -2, "kind");
    if (st->event_of[at] >= 0)
      lua_pushstring(L, moe__stream_name(o, (size_t)st->event_of[at]));
    else
      lua_pushnil(L);
    lua_setfield(L, -2, "expert");
    lua_rawseti(L, -2, (int)(i - first) + 1);
  }
  lua_setfield(L, -2, "events");
}

/* _stream_stats(): what a mixture on a stream remembers; nil of any other. */
static int l_stream_stats(lua_State *L) {
  const moe_object *o = check_mixture(L);
  const moe_mixture *m = o->state;
  lua_settop(L, 1);
  if (m == NULL || !m->stream.open) return 0;
  lmoe_call *c = lmoe_begin(L);
  moe_stream st;
  LMOE_TRY(L, c, moe__stream_settled(&c->call, &m->stream, &st));
  lua_newtable(L);
  lmoe_push_number(L, (double)st.steps);
  lua_setfield(L, -2, "steps");
  set_running(L, o, &st, "load", st.run.load, over_all);
  set_running(L, o, &st, "utilisation", st.run.used, over_its_own);
  set_running(L, o, &st, "loss", st.run.loss, over_asked);
  set_running(L, o, &st, "bias", m->bias, over_one);
  set_progress(L, o);
  set_number(L, "disagreement", st.runs.disagreement);
  set_number(L, "mean_disagreement",
             st.runs.disagreement_cover > 0
                 ? st.runs.mean_disagreement / st.runs.disagreement_cover
                 : 0);
  set_number(L, "entropy", st.runs.entropy);
  set_number(L, "alignment", st.runs.alignment);
  set_dead(L, o, &st);
  set_events(L, o);
  lmoe_end(L, c, MOE_OK);
  return 1;
}

void lmoe_follow(lua_State *L, moe_object *o) {
  const moe_mixture *m = o->state;
  bool mixture = o->type == &moe_mixture_of_experts.type;
  if (!mixture || m == NULL || !m->stream.open) return;
  lmoe_call *c = lmoe_begin(L);
  LMOE_TRY(L, c, moe_object_check_idle(&c->call, o, true));
  LMOE_TRY(L, c, moe__stream_follow(&c->call, o));
  lmoe_end(L, c, MOE_OK);
}

/* _follow(): brings a stream up to date with its experts. */
static int l_follow(lua_State *L) {
  lmoe_follow(L, (moe_object *)check_mixture(L));
  return 0;
}

/* A search in a userdata of its own, so that a raise frees it. */
#define KMEANS "moe.Kmeans"
typedef struct searching {
  lmoe_box box;
  moe_kmeans search;
} searching;

static int l_close_search(lua_State *L) {
  moe_kmeans_free(&((searching *)lmoe_want_box(L, 1, KMEANS))->search);
  return 0;
}

/* _kmeans(X, k, { seed, restarts, standardize }): each row's cluster, counted
   from 1, and the sum of squared distances. */
static int l_kmeans(lua_State *L) {
  static const char *const known[] = {"seed", "restarts", "standardize", NULL};
  lua_Number k = luaL_checknumber(L, 2);
  lua_settop(L, 3);
  lmoe_check_options(L, 3, known);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_check_rows(L, c, 1, &x);
  LMOE_TRY(L, c, moe_rows_check(&c->call, &x, true));
  if (!(k >= 1 && k <= (lua_Number)x.n))
    luaL_error(L, "_kmeans: k must be from 1 to the number of rows");
  moe_kmeans_plan plan = {
      .x = &x,
      .k = (size_t)k,
      .standardize = lmoe_opt_flag(L, 3, "standardize", false),
      .seed = (uint64_t)lmoe_opt_number(L, 3, "seed", 0, 0x1p53, 0),
      .restarts = (int64_t)lmoe_opt_number(L, 3, "restarts", 1, 1e6, 10),
      .rounds = 300};
  searching *s = lmoe_push_larger_box(L, KMEANS, sizeof *s);
  LMOE_TRY(L, c, moe_kmeans_begin(&c->call, &plan, &s->search));
  while (!s->search.done) {
    LMOE_TRY(L, c, moe_kmeans_step(&c->call, &s->search));
    LMOE_TRY(L, c, moe_call_check(&c->call));
  }
  lua_createtable(L, (int)x.n, 0);
  for (size_t i = 0; i < x.n; i++) {
    lmoe_push_number(L, s->search.best[i] + 1);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_pushnumber(L, s->search.inertia);
  lmoe_end(L, c, MOE_OK);
  return 2;
}

static const luaL_Reg functions[] = {{"_kmeans", l_kmeans}, {NULL, NULL}};
static const luaL_Reg searches[] = {{NULL, NULL}};

static double *new_numbers(lua_State *L, lmoe_call *c, size_t n) {
  double *out = moe_scratch(&c->call, n, sizeof *out);
  if (out == NULL) lmoe_end(L, c, MOE_ENOMEM);
  return out;
}

static void push_numbers(lua_State *L, const double *x, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t k = 0; k < n; k++) {
    lua_pushnumber(L, x[k]);
    lua_rawseti(L, -2, (int)k + 1);
  }
}

/* _gradient(X, y, weights, seed): the weights, which are set first where they
   are given; the loss on these rows; and its derivative by each weight.  With a
   seed, of rows that drop experts by it. */
static int l_gradient(lua_State *L) {
  moe_object *o = (moe_object *)check_mixture(L);
  const moe_learner_type *type = moe_learner_type_of(o);
  lua_settop(L, 5);
  lmoe_call *c = lmoe_begin(L);
  moe_plan plan = {.drops = !lua_isnil(L, 5)};
  moe_batch b;
  double loss;
  lmoe_check_batch(L, c, 2, o, &b);
  plan.seed = (uint64_t)luaL_optinteger(L, 5, 0);
  b.plan = &plan;
  LMOE_TRY(L, c, moe__mixture_check(&c->call, o));
  size_t n = type->n_weights(o);
  double *weights = new_numbers(L, c, n), *gradient = new_numbers(L, c, n);
  type->get_weights(o, weights);
  for (size_t k = 0; lua_istable(L, 4) && k < n; k++) {
    lua_rawgeti(L, 4, (int)k + 1);
    weights[k] = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  type->set_weights(o, weights);
  LMOE_TRY(L, c, type->differentiate(&c->call, o, &b, &loss, gradient));
  push_numbers(L, weights, n);
  lua_pushnumber(L, loss);
  push_numbers(L, gradient, n);
  lmoe_end(L, c, MOE_OK);
  return 3;
}

static const luaL_Reg methods[] = {{"route", l_route},
                                   {"route_one", l_route_one},
                                   {"_stats_of", l_stats_of},
                                   {"_gradient", l_gradient},
                                   {"_stream_stats", l_stream_stats},
                                   {"_follow", l_follow},
                                   {NULL, NULL}};

void lmoe_open_mixture(lua_State *L) {
  lmoe_add_methods(L, LMOE_LEARNER, methods);
  lmoe_new_family(L, KMEANS, searches, l_close_search);
  lmoe_set_functions(L, functions);
}
