/* Layers as objects that own their weights, and so as files. */
#include <math.h>
#include <string.h>

#include "layer.h"
#include "model_file.h"

typedef struct layer_params {
  moe_route_config route;
  int activation;
  double scale;
} layer_params;

static const moe_param params[] = {
    MOE_P_ROUTE(layer_params),
    MOE_P_ROUTE_BATCH(layer_params),
    MOE_P_CHOICE(layer_params, activation, MOE_RELU, moe_activation_choices,
                 "of the experts' hidden layers; where they are gated, of the "
                 "gate"),
    MOE_P_REAL(layer_params, scale, 1, -1e30, 1e30,
               "multiplies the answer of the routed experts"),
    {0}};

/* --------------------------------------------------------------------- state
 */

/* Items of an array, or 0 where it is not there; a length below 0 in a file
   becomes one that no tensor has. */
static size_t items_of(bool there, int64_t a, int64_t b, int64_t c) {
  return there ? moe_size(moe_size((size_t)a, (size_t)b), (size_t)c) : 0;
}

/* The maps of n experts with so many hidden units; all arrays of the state have
   other names. */
typedef struct maps {
  const char *w_in, *w_gate, *w_out, *b_in, *b_out;
  void **in, **gate, **out;
  float **bias_in, **bias_out;
  int64_t n, hidden;
} maps;

static maps routed_maps(moe_layer_state *s) {
  return (maps){.w_in = "w_in",
                .w_gate = "w_gate",
                .w_out = "w_out",
                .b_in = "b_in",
                .b_out = "b_out",
                .in = &s->w_in,
                .gate = &s->w_gate,
                .out = &s->w_out,
                .bias_in = &s->b_in,
                .bias_out = &s->b_out,
                .n = s->experts,
                .hidden = s->hidden};
}

static maps shared_maps(moe_layer_state *s) {
  return (maps){.w_in = "shared_in",
                .w_gate = "shared_gate",
                .w_out = "shared_out",
                .b_in = "shared_b_in",
                .b_out = "shared_b_out",
                .in = &s->shared_in,
                .gate = &s->shared_gate,
                .out = &s->shared_out,
                .bias_in = &s->shared_b_in,
                .bias_out = &s->shared_b_out,
                .n = s->shared > 0,
                .hidden = s->shared};
}

static moe_status visit_maps(moe_visitor *v, moe_layer_state *s, maps m) {
  moe_dtype dtype = s->half ? MOE_BF16 : MOE_F32;
  size_t in = items_of(true, m.n, s->dim, m.hidden);
  size_t out = items_of(true, m.n, m.hidden, s->out);
  MOE_TRY(moe_visit_array(v, m.w_in, dtype, m.in, in));
  MOE_TRY(moe_visit_array(v, m.w_gate, dtype, m.gate, s->gated ? in : 0));
  MOE_TRY(moe_visit_array(v, m.w_out, dtype, m.out, out));
  MOE_TRY(moe_visit_array(v, m.b_in, MOE_F32, m.bias_in,
                          items_of(s->biased, m.n, m.hidden, 1)));
  return moe_visit_array(v, m.b_out, MOE_F32, m.bias_out,
                         items_of(s->biased, m.n, s->out, 1));
}

static moe_status visit_sizes(moe_visitor *v, moe_layer_state *s) {
  MOE_TRY(moe_visit_scalar(v, "dim", MOE_I64, &s->dim));
  MOE_TRY(moe_visit_scalar(v, "experts", MOE_I64, &s->experts));
  MOE_TRY(moe_visit_scalar(v, "hidden", MOE_I64, &s->hidden));
  MOE_TRY(moe_visit_scalar(v, "out", MOE_I64, &s->out));
  MOE_TRY(moe_visit_scalar(v, "shared", MOE_I64, &s->shared));
  MOE_TRY(moe_visit_scalar(v, "gated", MOE_U8, &s->gated));
  MOE_TRY(moe_visit_scalar(v, "biased", MOE_U8, &s->biased));
  MOE_TRY(moe_visit_scalar(v, "noisy", MOE_U8, &s->noisy));
  MOE_TRY(moe_visit_scalar(v, "steered", MOE_U8, &s->steered));
  return moe_visit_scalar(v, "half", MOE_U8, &s->half);
}

static moe_status visit(void *state, moe_visitor *v) {
  moe_layer_state *s = state;
  MOE_TRY(visit_sizes(v, s));
  MOE_TRY(moe_visit_array(v, "gate", MOE_F32, &s->gate,
                          items_of(true, s->dim, s->experts, 1)));
  MOE_TRY(moe_visit_array(v, "noise", MOE_F32, &s->noise,
                          items_of(s->noisy, s->dim, s->experts, 1)));
  MOE_TRY(moe_visit_array(v, "selection_bias", MOE_F64, &s->selection_bias,
                          items_of(s->steered, s->experts, 1, 1)));
  MOE_TRY(visit_maps(v, s, routed_maps(s)));
  return visit_maps(v, s, shared_maps(s));
}

/* -------------------------------------------------------------------- checks
 */

/* Looks at every number of the state; an array without any is not there. */
typedef struct finder {
  moe_visitor visitor;
  const char *found; /* the array that breaks this, or NULL */
} finder;

static bool is_finite_bfloat(moe_bfloat x) { return (~x & 0x7f80) != 0; }

static bool is_finite_at(const moe_field *f, const void *array, size_t i) {
  if (f->dtype == MOE_F64) return isfinite(((const double *)array)[i]);
  if (f->dtype == MOE_F32) return isfinite(((const float *)array)[i]);
  return is_finite_bfloat(((const moe_bfloat *)array)[i]);
}

static moe_status find_wild(moe_visitor *v, const moe_field *f) {
  finder *s = (finder *)v;
  if (f->kind != MOE_FIELD_ARRAY || s->found != NULL) return MOE_OK;
  if (f->n == 0 && *(void **)f->at != NULL) s->found = f->name;
  for (size_t i = 0; i < f->n; i++)
    if (!is_finite_at(f, *(void **)f->at, i)) s->found = f->name;
  return MOE_OK;
}

/* Products of the sizes are those of arrays that are there; but not all pairs
   of them are. */
static bool sizes_fit(const moe_layer_state *s) {
  const int64_t sizes[] = {s->dim, s->experts, s->hidden, s->out};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (sizes[i] < 1 || sizes[i] > INT32_MAX) return false;
  return s->shared >= 0 && s->shared <= INT32_MAX;
}

static moe_status check(moe_call *call, const moe_object *o) {
  finder s = {{find_wild}, NULL};
  moe_layer layer;
  if (!sizes_fit(o->state))
    return moe_fail(call, MOE_EFORMAT, "sparse: sizes that no layer has");
  visit(o->state, &s.visitor);
  if (s.found != NULL)
    return moe_fail(call, MOE_EFORMAT, "sparse: '%s' is empty or not finite",
                    s.found);
  layer = moe_layer_of(o);
  return moe_layer_check(call, &layer, false);
}

static const moe_type type = {.name = "sparse",
                              .family = "layer",
                              .doc = "a sparse layer of a network",
                              .params_size = sizeof(layer_params),
                              .state_size = sizeof(moe_layer_state),
                              .params = params,
                              .visit = visit,
                              .check = check};

/* --------------------------------------------------------------------- views
 */

static moe_feed_forward forward_of(const layer_params *p,
                                   const moe_layer_state *s, const maps *m,
                                   moe_half_weights *half) {
  moe_feed_forward f = {.experts = (size_t)m->n,
                        .dim = (size_t)s->dim,
                        .hidden = (size_t)m->hidden,
                        .out = (size_t)s->out,
                        .activation = (moe_activation)p->activation,
                        .b_in = *m->bias_in,
                        .b_out = *m->bias_out};
  if (s->half) {
    *half = (moe_half_weights){*m->in, *m->gate, *m->out};
    return f;
  }
  f.w_in = *m->in;
  f.w_gate = *m->gate;
  f.w_out = *m->out;
  return f;
}

moe_layer moe_layer_of(const moe_object *o) {
  const layer_params *p = o->params;
  moe_layer_state *s = o->state;
  maps routed = routed_maps(s), shared = shared_maps(s);
  moe_layer l = {.route = p->route,
                 .scale = p->scale,
                 .gate = s->gate,
                 .noise = s->noise,
                 .selection_bias = s->selection_bias};
  l.experts = forward_of(p, s, &routed, &l.half);
  l.shared = forward_of(p, s, &shared, &l.half_shared);
  return l;
}

/* -------------------------------------------------------------------- copies
 */

static moe_status copy_array(moe_call *call, const void *from, size_t n,
                             size_t size, void *to) {
  if (from == NULL) return MOE_OK;
  MOE_TRY(moe_new_array(call, to, n, size));
  memcpy(*(void **)to, from, n * size);
  return MOE_OK;
}

/* n weights of an expert: as they are, or (`half`) rounded. */
static moe_status copy_weights(moe_call *call, bool half, const float *full,
                               const moe_bfloat *from, size_t n, void **to) {
  if (!half) return copy_array(call, full, n, sizeof *full, to);
  if (from != NULL || full == NULL)
    return copy_array(call, from, n, sizeof *from, to);
  MOE_TRY(moe_new_array(call, to, n, sizeof *from));
  moe_bfloat_round(full, *to, n);
  return MOE_OK;
}

static moe_status copy_maps(moe_call *call, const moe_feed_forward *f,
                            const moe_half_weights *w, bool half,
                            const maps *to) {
  size_t in = items_of(true, to->n, (int64_t)f->dim, to->hidden);
  size_t out = items_of(true, to->n, to->hidden, (int64_t)f->out);
  MOE_TRY(copy_weights(call, half, f->w_in, w->w_in, in, to->in));
  MOE_TRY(copy_weights(call, half, f->w_gate, w->w_gate, in, to->gate));
  MOE_TRY(copy_weights(call, half, f->w_out, w->w_out, out, to->out));
  MOE_TRY(copy_array(call, f->b_in, f->experts * f->hidden, sizeof *f->b_in,
                     to->bias_in));
  return copy_array(call, f->b_out, f->experts * f->out, sizeof *f->b_out,
                    to->bias_out);
}

static moe_status copy_layer(moe_call *call, const moe_layer *from,
                             moe_layer_state *s) {
  const moe_feed_forward *f = &from->experts;
  size_t gate = moe_size(f->dim, f->experts);
  *s = (moe_layer_state){
      .dim = (int64_t)f->dim,
      .experts = (int64_t)f->experts,
      .hidden = (int64_t)f->hidden,
      .out = (int64_t)f->out,
      .shared = from->shared.experts > 0 ? (int64_t)from->shared.hidden : 0,
      .gated = from->half.w_in != NULL ? from->half.w_gate != NULL
                                       : f->w_gate != NULL,
      .biased = f->b_in != NULL,
      .noisy = from->noise != NULL,
      .steered = from->selection_bias != NULL,
      .half = s->half};
  maps routed = routed_maps(s), shared = shared_maps(s);
  MOE_TRY(copy_array(call, from->gate, gate, sizeof *s->gate, &s->gate));
  MOE_TRY(copy_array(call, from->noise, gate, sizeof *s->noise, &s->noise));
  MOE_TRY(copy_array(call, from->selection_bias, f->experts,
                     sizeof *s->selection_bias, &s->selection_bias));
  MOE_TRY(copy_maps(call, f, &from->half, s->half, &routed));
  if (s->shared == 0) return MOE_OK;
  return copy_maps(call, &from->shared, &from->half_shared, s->half, &shared);
}

static moe_status fill(moe_call *call, const moe_layer *from, bool half,
                       moe_object *o) {
  layer_params *p = o->params;
  moe_layer_state *s;
  p->route = from->route;
  p->activation = (int)from->experts.activation;
  p->scale = from->scale;
  MOE_TRY(moe_state_new(call, &type, &o->state));
  s = o->state;
  s->half = half || from->half.w_in != NULL;
  return copy_layer(call, from, s);
}

/* Whether the routed and the shared experts have alike what the arrays of the
   state have alike. */
static bool are_alike(const moe_layer *l) {
  const moe_feed_forward *e = &l->experts, *s = &l->shared;
  const moe_half_weights *w = &l->half, *v = &l->half_shared;
  bool biased = e->b_in != NULL, half = w->w_in != NULL;
  bool gated = half ? w->w_gate != NULL : e->w_gate != NULL;
  if (biased != (e->b_out != NULL)) return false;
  if (s->experts == 0) return true;
  return s->dim == e->dim && s->out == e->out && half == (v->w_in != NULL) &&
         gated == (half ? v->w_gate != NULL : s->w_gate != NULL) &&
         biased == (s->b_in != NULL) && biased == (s->b_out != NULL);
}

moe_status moe_layer_new(moe_call *call, const moe_layer *from, bool half,
                         moe_object **out) {
  moe_status status;
  *out = NULL;
  MOE_TRY(moe_layer_check(call, from, false));
  if (!are_alike(from))
    return moe_fail(call, MOE_EARG,
                    "layer: the routed and the shared experts differ in sizes, "
                    "width, or in having gates or biases");
  MOE_TRY(moe_object_new(call, &type, out));
  status = fill(call, from, half, *out);
  if (status == MOE_OK) return MOE_OK;
  moe_object_release(*out);
  *out = NULL;
  return status;
}

/* --------------------------------------------------------------------- files
 */

moe_status moe_layer_save(moe_call *call, moe_object *o, const char *path) {
  return moe_model_save(call, o, path);
}

const moe_type *moe_layer_find(const char *family, const char *name) {
  bool is_layer =
      strcmp(family, type.family) == 0 && strcmp(name, type.name) == 0;
  return is_layer ? &type : NULL;
}

moe_status moe_layer_load(moe_call *call, const char *path, moe_object **out) {
  MOE_TRY(moe_model_load(call, moe_layer_find, path, out));
  if ((*out)->state != NULL) return MOE_OK;
  moe_object_release(*out);
  *out = NULL;
  return moe_fail(call, MOE_EFORMAT, "'%.200s' has no weights", path);
}
