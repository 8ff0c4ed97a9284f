/* The sparse layer of a network: every row chooses a few experts, which are
   feed-forward networks, and their answers are weighed.

     logits   z = x W_gate, and in training + N(0, softplus(x W_noise) + 0.01)
     routing  experts e and weights w_e of each row, from z: route.h
     answer   scale · Σ w_e expert_e(x) + shared(x)

   Shazeer et al. 2017, arXiv 1701.06538; shared experts: DeepSeekMoE, Dai et
   al. 2024, arXiv 2401.06066.  A moe_layer only points to its weights: to those
   of tensors, or to those of an object that was loaded from a file.

     moe_layer_load(&call, "layer.moe", &object);
     moe_layer layer = moe_layer_of(object);
     moe_layer_forward(&call, &layer, &(moe_layer_rows){.n = n, .x = x}, out,
                       NULL);
     moe_object_release(object); */
#ifndef MOE_LAYER_H
#define MOE_LAYER_H

#include "feed_forward_half.h"
#include "object.h"

typedef struct moe_layer {
  moe_route_config route;
  double scale;
  const float *gate, *noise;    /* dim × experts; noise may be NULL */
  const double *selection_bias; /* experts, or NULL */
  moe_feed_forward experts;
  moe_feed_forward shared;            /* one expert, for all rows, or none */
  moe_half_weights half, half_shared; /* read instead of those of float32 where
                                         half.w_in is not NULL */
} moe_layer;

/* What goes through a layer at once. */
typedef struct moe_layer_rows {
  size_t n;
  const float *x;     /* n × dim */
  const int64_t *ids; /* of each row, for the hash router */
  bool training;      /* noise, jitter, dropout; the capacity of training */
  uint64_t seed;      /* of these: another one in every step */
} moe_layer_rows;

/* What a pass forward leaves for the pass back; it reads the layer's weights
   and the rows again. */
typedef struct moe_layer_pass moe_layer_pass;

/* Refuses a routing that cannot be, and where rows are for `training` one that
   gives the gate no gradient. */
moe_status moe_layer_check(moe_call *call, const moe_layer *l, bool training);

/* The answers, into out (n × shared or experts' out).  *pass, unless pass is
   NULL, is freed by moe_layer_pass_free after success.  MOE_EDATA where logits
   are not finite; MOE_EUNSUPPORTED for a pass of a layer of half width. */
moe_status moe_layer_forward(moe_call *call, const moe_layer *l,
                             const moe_layer_rows *rows, float *out,
                             moe_layer_pass **pass);
void moe_layer_pass_free(moe_layer_pass *pass); /* accepts NULL */

/* The selections of the pass: for losses, statistics and steps of the selection
   bias (balance.h). */
const moe_routing *moe_layer_routing(const moe_layer_pass *pass);

/* Gradients that backward begins with: those by the answers (n × out), and of
   losses of the routing those by its probabilities and by the logits as the
   gate gave them (n × experts), or NULL. */
typedef struct moe_layer_slopes {
  const float *out;
  const double *probs, *logits;
} moe_layer_slopes;

/* Where gradients are added to.  Of `experts` and `shared` the members x and
   weights are not read. */
typedef struct moe_layer_gradients {
  moe_added x, gate, noise;
  moe_feed_forward_gradients experts, shared;
} moe_layer_gradients;

/* The gradients from `slopes`, for the same layer, unchanged since.  The pass
   is used up, whatever happens: it is only to be freed. */
moe_status moe_layer_backward(moe_call *call, const moe_layer *l,
                              moe_layer_pass *pass,
                              const moe_layer_slopes *slopes,
                              const moe_layer_gradients *to);

/* ------------------------------------------------------ layers as objects */

/* The weights that an object owns, whose items may be changed in place. */
typedef struct moe_layer_state {
  int64_t dim, experts, hidden, out, shared; /* units of the shared; 0: none */
  uint8_t gated, biased, noisy, steered, half;
  float *gate, *noise;    /* dim × experts; noise where `noisy` */
  double *selection_bias; /* experts, where `steered` */
  void *w_in, *w_gate, *w_out, *shared_in, *shared_gate, *shared_out;
  float *b_in, *b_out, *shared_b_in, *shared_b_out;
} moe_layer_state;

/* A copy of the layer that owns its weights; `half` rounds those of the experts
   to bfloat16, for forward alone.  MOE_EARG unless either all of its experts
   have biases or none, gates likewise, and all are of one width. */
moe_status moe_layer_new(moe_call *call, const moe_layer *from, bool half,
                         moe_object **out);

/* A model file (model_file.h) of one layer.  Bytes from strangers are safe. */
moe_status moe_layer_save(moe_call *call, moe_object *o, const char *path);
moe_status moe_layer_load(moe_call *call, const char *path, moe_object **out);

/* A layer's type, where this is its family and name; else NULL. */
const moe_type *moe_layer_find(const char *family, const char *name);

/* The layer that the object is, for as long as it lives and is not changed. */
moe_layer moe_layer_of(const moe_object *o);

#endif
