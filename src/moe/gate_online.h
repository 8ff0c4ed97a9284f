/* How affine logits z = W x + b become a gate that learns sample by sample.

   Each sample tells every expert's log-likelihood y_e, or NaN of those that
   were not asked.  With q = softmax(z) over the experts asked, a step goes down
   the loss −log Σ_e q_e exp(y_e), whose derivative by z is q − h with
   responsibilities h_e ∝ q_e exp(y_e); or, with the hard target, that of
   −log softmax(z)_best over all experts.  Steps are those of standardised
   columns, x̂ = (x − μ) / σ with the mean and deviation so far,
     W −= s (q − h) uᵀ,  b −= s (q − h) (1 − uᵀμ),  u = x̂ / σ,
   which is the step of weights on x̂ said in terms of x: so the gate's answers
   do not move when μ and σ do, nor when it goes on from a fit.  The step size
   is implicit (Toulis & Airoldi 2017, doi 10.1214/16-AOS1506), s = lr w / (1 +
   lr w (1 + |x̂|²) / 2).

   Beside the logits stands a prior that follows the losses (Herbster & Warmuth
   1998, doi 10.1023/A:1007424614876): shares v of the hypotheses "expert e is
   the best, whatever x" and "the logits know", which each sample multiplies by
   the likelihood that the hypothesis gave it, and of which a part is then
   shared out evenly.  The gate answers
     p_e = v_logits q_e + v_e.
   Logits and prior do not both take credit for the same likelihoods, as they
   would if the prior were added to the logits: the logits are one of the
   hypotheses that are compared. */
#ifndef MOE_GATE_ONLINE_H
#define MOE_GATE_ONLINE_H

#include "affine.h"
#include "gate.h"

/* Embedded in a gate's params as `online`. */
typedef struct moe_gate_rule {
  double online_lr, clip, decay, prior, share;
  int target;
  bool implicit, standardize; /* the latter is of fits, too */
  moe_reals weights;
} moe_gate_rule;

enum { MOE_TARGET_LIKELIHOOD, MOE_TARGET_BEST_EXPERT };
extern const char *const moe_gate_target_choices[];

/* clang-format off */
#define MOE_P_ONLINE_(T, name, def, max, doc) \
  {#name, MOE_REAL, offsetof(T, online.name), def, 0, max, 0, 0, 0, doc}
#define MOE_P_GATE_RULE(T) \
  MOE_P_ONLINE_(T, online_lr, 0.3, 1e6, \
    "online: the size of steps; 0: the logits stay as they are"), \
  {"implicit", MOE_FLAG, offsetof(T, online.implicit), 1, 0, 1, 0, 0, 0, \
   "online: whether long steps are shortened so that none overshoots"}, \
  MOE_P_ONLINE_(T, clip, 10, 1e300, \
    "online: the most that the length of a gradient counts; 0: as it is"), \
  MOE_P_ONLINE_(T, decay, 1e-4, 1, \
    "online: what a step takes off the weights, for each unit of online_lr"), \
  {"target", MOE_CHOICE, offsetof(T, online.target), 0, 0, 0, \
   moe_gate_target_choices, 0, 0, \
   "online: what the logits learn; likelihood: how likely each expert was, " \
   "best_expert: which one was best"}, \
  MOE_P_ONLINE_(T, prior, 1, 100, \
    "online: how far the prior, which follows the experts' losses, believes " \
    "them; 0: there is none"), \
  MOE_P_ONLINE_(T, share, 0.005, 1, \
    "online: the part of the prior that each sample shares out evenly: how " \
    "often the best expert is expected to change"), \
  {"weights", MOE_REALS, offsetof(T, online.weights), NAN, -1e100, 1e100, 0, \
   0, MOE_OPTIONAL, \
   "online: the weights that it begins with: of the first expert for each " \
   "column, of the second, …, and then the intercepts; absent: 0"}
/* clang-format on */

/* Part of the gate's state. */
typedef struct moe_gate_stream {
  int64_t steps; /* samples learned from */
  double rows;   /* the same by weight, of which the past is forgotten */
  size_t n_columns, n_shares;
  double *variance; /* n_features, or 0 before the first sample */
  double *factor;   /* the same: 1 / deviation as the steps see it, or 0 */
  double *prior;    /* n_outputs + 1, the last the logits'; 0 without a prior */
  double *desk;     /* room for a step; not saved, nor is what follows */
  const double *considered; /* the sample whose softmax(z) is on it, or NULL */
  const double *moved;      /* on it what the last step added to its z, where
                               nothing else changed that; else NULL */
} moe_gate_stream;

moe_status moe_gate_stream_visit(moe_gate_stream *s, const moe_fitted *f,
                                 moe_visitor *v);
bool moe_gate_stream_is_sound(const moe_gate_stream *s, const moe_fitted *f);

/* The state of a gate begins with this. */
typedef struct moe_linear_gate {
  moe_affine affine;
  double *centre; /* n_features: means, which missing values count as */
  moe_gate_stream stream;
} moe_linear_gate;

/* Room for what a stream needs, where there is none yet, and the weights that
   it begins with: moe_gate_learn_one does it, too. */
moe_status moe_gate_stream_open(moe_call *call, moe_linear_gate *g,
                                const moe_gate_rule *rule);

/* One sample, of which softmax(z) is q, or NULL where that is not known. */
moe_status moe_gate_learn_one(moe_call *call, moe_linear_gate *g,
                              const moe_gate_rule *rule, const moe_example *e,
                              const double *q);

/* What the gate says of one row: q becomes softmax(factor z), and the answer
   goes to `out`; without a prior it is q, and q must be `out`. */
moe_status moe_gate_answer_one(moe_call *call, const moe_linear_gate *g,
                               double factor, const double *x, double *q,
                               double *out);

/* factor z of one row, finite. */
moe_status moe_gate_logits(moe_call *call, const moe_linear_gate *g,
                           double factor, const double *x, double *z);

/* A gate of the type "softmax" with a state, where softmax(z) is not scaled,
   and its settings, for who works it by gate_kernels.h: both stay where they
   are until its `changes` count.  NULL of any other. */
moe_linear_gate *moe_softmax_gate_lay_open(moe_object *o,
                                           const moe_gate_rule **rule);

/* Probabilities q (n × m) become what the gate answers. */
void moe_gate_stream_answer(const moe_gate_stream *s, double *q, size_t n,
                            size_t m);

/* Room for an expert at `position`, which begins as the mean of the others, and
   taking one out. */
moe_status moe_gate_stream_insert(moe_call *call, moe_linear_gate *g,
                                  const moe_gate_rule *rule, size_t position);
void moe_gate_stream_remove(moe_linear_gate *g, size_t position);

#endif
