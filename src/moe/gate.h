/* What every gate has: a temperature, and calibration on request. */
#ifndef MOE_GATE_H
#define MOE_GATE_H

#include "learner.h"
#include "loss.h"

/* Embedded in a gate's params as `gate`. */
typedef struct moe_gate_config {
  double temperature;
  bool calibrate;
} moe_gate_config;

/* The rows of its parameter table for that member. */
/* clang-format off */
#define MOE_P_GATE(T) \
  {"temperature", MOE_REAL, offsetof(T, gate.temperature), 1, 0, 1e300, 0, 0, \
   MOE_ABOVE_MIN, \
   "divides the logits: below 1 the gate is more decided, above less"}, \
  {"calibrate", MOE_FLAG, offsetof(T, gate.calibrate), 0, 0, 1, 0, 0, 0, \
   "whether a further temperature is found on a fifth of the rows, which the " \
   "gate is not fitted to"}

/* The same of a moe_gate_terms member `terms`, which every gate that is trained
   by a gradient has. */
#define MOE_P_GATE_TERMS(T) \
  {"load_balance", MOE_REAL, offsetof(T, terms.load_balance), 0, 0, 1e6, 0, 0, \
   0, "what N Σ_e P_e² counts in a row's loss, P being the experts' mean " \
   "probabilities: it is 1 at balance, N where one expert has everything"}, \
  {"entropy", MOE_REAL, offsetof(T, terms.entropy), 0, -1e6, 1e6, 0, 0, 0, \
   "what is taken off a row's loss for each unit of its probabilities' " \
   "entropy: above 0 keeps the gate undecided, below makes it decide"}
/* clang-format on */

/* z (n × m), logits or logarithms of probabilities (-Inf is 0), becomes the
   gate's answer, softmax(z / (temperature · calibration)).  `calibration` is
   what moe_gate_calibrate found: 1 without it. */
void moe_gate_answer(const moe_gate_config *config, double calibration,
                     double *z, size_t n, size_t m);

/* MOE_EFORMAT unless a file's calibration is a number above 0. */
moe_status moe_gate_check(moe_call *call, const moe_object *o,
                          double calibration);

/* Of gates that nothing teaches, on a stream. */
moe_status moe_gate_learn_nothing(moe_call *call, moe_object *o,
                                  const moe_example *s);
moe_status moe_gate_add_nothing(moe_call *call, moe_object *o, size_t position);
void moe_gate_remove_nothing(moe_object *o, size_t position);

/* The rows kept for calibration, in a gate's job. */
typedef struct moe_held_out {
  moe_batch batch;     /* x.n is 0 where there is nothing to do */
  int32_t *kept, *own; /* rows of the source: the fit's, and these */
} moe_held_out;

/* Takes about one row in `share` (whole groups; `seed` says which, as does
   `part`, below share) out of the batch, for `kept` to have the others.  Where
   either would be nothing `out`, zeroed before, holds no rows and `kept` is the
   batch. */
moe_status moe_gate_divide(moe_call *call, const moe_batch *b, uint64_t seed,
                           uint64_t share, uint64_t part, moe_batch *kept,
                           moe_held_out *out);

/* In begin, before anything looks at job->batch: with config->calibrate, takes
   about a fifth of its rows (whole groups; of ten or more rows) out of it.
   `out` is zeroed before. */
moe_status moe_gate_hold_out(moe_call *call, moe_job *job,
                             const moe_gate_config *config, moe_held_out *out);

/* Once the fit is done: the temperature at which the logits z (out->batch.x.n ×
   experts; overwritten) that the gate gives the rows kept make its objective
   least on them (Guo et al. 2017, arXiv 1706.04599), in [1/100, 100]. */
moe_status moe_gate_calibrate(moe_call *call, const moe_held_out *h, double *z,
                              double *calibration);

void moe_held_out_free(moe_held_out *h);

#endif
