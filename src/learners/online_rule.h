/* How linear models learn from one sample after the other.  The sample's loss,
   by the outputs z, has the derivative r; with weight w and step lr

     implicit    W −= s r xᵀ, b −= s r, where s = lr w / (1 + lr w c (1 + |x|²))
                 and c bounds the second derivative: what the best step would
                 be after it has been taken, which no size of x or lr makes
                 diverge (Toulis & Airoldi 2017, doi 10.1214/16-AOS1506); of
                 losses with a corner, s = lr w, but no farther than the corner
     sgd         s = lr w
     adagrad     each weight's step is over the root of the sum of its squared
                 derivatives (Duchi, Hazan & Singer 2011)
     adam        Kingma & Ba 2015, with β = 0.9 and 0.999
     passive_aggressive
                 the least step that brings the loss to 0 (Crammer et al.
                 2006), with a limit c on s: at most c w (variant 1), or towards
                 it, over |x|² + 1 / 2cw (variant 2)

   and each sample shrinks the weights: before its step by the factor
   1 − lr α (1 − ρ), or 1 / (1 + lr α (1 − ρ)) where the step is implicit, and
   by 1 / (1 + lr l2 / t), the t-th sample's share of a penalty on all; after it
   by lr α ρ towards 0 (Duchi & Singer 2009).  ρ is 0 for l2, 1 for l1.  Biases
   are never penalised.  Adam and AdaGrad leave penalties out of their sums. */
#ifndef MOE_ONLINE_RULE_H
#define MOE_ONLINE_RULE_H

#include "affine.h"
#include "running_scale.h"

/* The first four are of numbers: ½ e² with e = z − y; the same up to |e| =
   delta, then linear; max(0, |e| − epsilon); the check function.  The others
   of classes: −log softmax(z)_y; max(0, 1 − m) with m how far z_y is
   above the next (Crammer & Singer 2001), which of two classes is the binary
   hinge. */
enum {
  MOE_LOSS_SQUARED,
  MOE_LOSS_HUBER,
  MOE_LOSS_EPSILON,
  MOE_LOSS_QUANTILE,
  MOE_LOSS_LOG,
  MOE_LOSS_HINGE
};

enum {
  MOE_STEP_IMPLICIT,
  MOE_STEP_SGD,
  MOE_STEP_ADAGRAD,
  MOE_STEP_ADAM,
  MOE_STEP_PASSIVE /* not a choice of users: of losses with a corner */
};

enum { MOE_PENALTY_NONE, MOE_PENALTY_L2, MOE_PENALTY_L1, MOE_PENALTY_ELASTIC };
enum { MOE_PASSIVE, MOE_PASSIVE_1, MOE_PASSIVE_2 };

/* What users set; the params of linear models begin with it. */
typedef struct moe_rule_params {
  double lr, alpha, l1_ratio;
  int step, penalty;
  bool intercept, standardize;
} moe_rule_params;

extern const char *const moe_step_choices[];
extern const char *const moe_penalty_choices[];

#define MOE_P_RULE(LR, STANDARDIZE)                                            \
  MOE_P_ABOVE(moe_rule_params, lr, LR, 0, 1e300,                               \
              "step of learn_one and partial_fit"),                            \
      MOE_P_CHOICE(moe_rule_params, step, MOE_STEP_IMPLICIT, moe_step_choices, \
                   "how a row teaches: implicit (damped, never diverges), "    \
                   "sgd, adagrad, adam"),                                      \
      MOE_P_CHOICE(moe_rule_params, penalty, MOE_PENALTY_NONE,                 \
                   moe_penalty_choices,                                        \
                   "what each row learned shrinks the weights by"),            \
      MOE_P_REAL(moe_rule_params, alpha, 1e-4, 0, 1e300,                       \
                 "strength of that penalty, alpha (l1_ratio |W| + "            \
                 "(1 - l1_ratio)/2 |W|²) a row"),                              \
      MOE_P_REAL(moe_rule_params, l1_ratio, 0.15, 0, 1,                        \
                 "the part of l1 in penalty = \"elastic_net\""),               \
      MOE_P_FLAG(moe_rule_params, standardize, STANDARDIZE,                    \
                 "whether learn_one sees columns on one scale: less their "    \
                 "running mean, over their running deviation"),                \
      MOE_P_FLAG(moe_rule_params, intercept, true,                             \
                 "whether there is a bias, which is not penalised")

typedef struct moe_rule {
  const moe_rule_params *own;
  int loss, step;
  int variant;      /* of MOE_STEP_PASSIVE */
  double limit;     /* its c */
  double tolerance; /* delta, epsilon or quantile of such losses */
  double l2;        /* spread over all rows */
  const moe_weights *class_weight; /* NULL: none */
} moe_rule;

/* What they learn.  W and b of the affine part are always what answers; where
   columns are standardised, which is settled when the first row comes or by
   fit, they follow from weights of their own. */
typedef struct moe_online {
  moe_affine affine;
  uint8_t standardized;
  int32_t n_moments;      /* 0, or those of adagrad (1) and adam (2) */
  double rows;            /* learned from, those of fit included */
  double steps;           /* of adam and adagrad */
  double *own, *own_bias; /* n_outputs × n_features, n_outputs: standardised */
  double *moment[2];      /* n_outputs × (n_features + 1) each */
  moe_running scale;
  double *work; /* derived: room for a sample */
} moe_online;

/* Zeros for what is still NULL. */
moe_status moe_online_prepare(moe_call *call, moe_online *o,
                              const moe_rule_params *p);
moe_status moe_online_visit(moe_online *o, moe_visitor *v);
moe_status moe_online_check(moe_call *call, const moe_object *o);
moe_status moe_online_add_class(moe_call *call, moe_object *o, size_t position);

/* moe_learner_type's open. */
moe_status moe_online_open(moe_call *call, moe_object *o);

/* Learns from a sample, whose s->answer is z or, of MOE_LOSS_LOG, softmax(z).
   The object's state begins with a moe_online. */
moe_status moe_online_learn_one(moe_call *call, moe_object *o,
                                const moe_rule *rule, const moe_example *s);

/* One number, its squared error, steps that are implicit or sgd, and no penalty
   now or before that has left a factor of the weights: what is asked most often
   takes a shorter way to the same bits. Whether the loss is that, and no l2 is
   spread over all rows, is for the caller to see. */
static inline bool moe_online_is_plain(const moe_online *o,
                                       const moe_rule_params *p) {
  return p->step <= MOE_STEP_SGD && p->penalty == MOE_PENALTY_NONE &&
         o->affine.fitted.n_outputs == 1 && o->affine.weights != NULL &&
         o->affine.left == 1 && !o->standardized;
}
void moe_online_learn_plain(moe_online *o, const moe_rule_params *p,
                            const moe_example *s);

/* Such an object laid open. */
bool moe_online_lay_open(moe_online *o, const moe_rule_params *p,
                         moe_line *out);

/* The same of a batch's rows in order, sparse ones in time of their entries
   unless the rule touches every weight. */
moe_status moe_online_learn(moe_call *call, moe_object *o, const moe_rule *rule,
                            const moe_batch *batch);

/* For fit, whose batch and whose W and b of raw columns they are: counts the
   batch's rows, and makes the weights of standardised columns from W and b. */
moe_status moe_online_count(moe_call *call, moe_online *o,
                            const moe_batch *batch);
void moe_online_adopt(moe_online *o);

/* moe_learner_type's set_weights. */
void moe_online_set_weights(moe_object *o, const double *in);

#endif
