/* Fitting a mixture, as a job. */
#ifndef MOE_MIXTURE_FIT_H
#define MOE_MIXTURE_FIT_H

#include "mixture.h"

/* Where the job is: the pieces of work follow each other in this order, those
   of an expert for each expert. */
typedef enum moe_mixture_phase {
  MOE_AT_EXPERT,      /* choose its rows, begin its own job */
  MOE_AT_TRAINING,    /* step that job */
  MOE_AT_OUT_OF_BAG,  /* score the rows by what the job kept */
  MOE_AT_OTHER_ROWS,  /* score the rows that it did not train on */
  MOE_AT_FOLD,        /* begin the job of a fold's trial expert */
  MOE_AT_TRIAL,       /* step that */
  MOE_AT_FOLD_SCORES, /* score the fold by the trial expert */
  MOE_AT_SHARPNESS,   /* calibrate the expert by its unseen answers */
  MOE_AT_SCORES,      /* score it by them */
  MOE_AT_GATE,
  MOE_AT_GATE_TRAINING,
  MOE_AT_ROUTING /* route the training rows, for the figures of info() */
} moe_mixture_phase;

/* The search for the power of an expert's probabilities that makes its unseen
   answers most likely: rounds of adding all rows, then a step. */
typedef struct moe_sharpness {
  double power, slope, curve;
  int round;
} moe_sharpness;

typedef struct moe_mixture_job {
  moe_mixture_phase phase;
  size_t expert, fold, next; /* next: the row that scoring has come to */
  moe_children trainees;     /* clones of the experts, or they themselves */
  moe_object *gate, *trial;
  moe_job *job;                  /* of a trainee, a trial or the gate */
  size_t n;                      /* rows of the batch */
  int32_t *rows, *others, *part; /* the expert's rows, those that are not, and
                                    a fold's: as source rows */
  size_t n_rows, n_others, n_part;
  int32_t *fold_of; /* of each of the expert's rows */
  size_t n_folds;
  moe_sharpness search;
  float *kept;       /* source rows × outputs: the expert's unseen answers */
  int objective;     /* never auto */
  size_t errors;     /* a score is a log-likelihood (0), or so many errors */
  double *scores;    /* source rows × experts (× errors) */
  moe_batch batch;   /* of the job */
  moe_target target; /* of the gate's */
  moe_labels names;  /* of the experts: not owned, but for the array */
  double *noise, *sharpness; /* experts */
  int64_t *samples;          /* experts */
  moe_routing routing;
  size_t marked; /* experts marked as being fitted */
} moe_mixture_job;

moe_status moe__mixture_begin(moe_call *call, moe_job *job);
moe_status moe__mixture_step(moe_call *call, moe_job *job);
void moe__mixture_commit(moe_job *job);
void moe__mixture_end(moe_job *job);

/* The next piece of the work up to MOE_AT_GATE (mixture_experts.c). */
moe_status moe__mixture_expert_piece(moe_call *call, moe_job *job);

/* Commits the job of a trainee, a trial or the gate, which is done. */
moe_status moe__mixture_finish_job(moe_call *call, moe_mixture_job *w);

/* Whether fit leaves expert e as it is. */
bool moe__mixture_is_frozen(const moe_job *job, size_t e);

/* How well an expert did (mixture_scores.c).  First the answers for n rows of
   the batch, by an expert fitted as `f`, are put aside: in `kept`, a row of the
   mixture's outputs for each source row, NaN where there was no answer. */
moe_status moe__keep_answers(moe_call *call, const moe_mixture *m,
                             const moe_fitted *f, const int32_t *rows, size_t n,
                             const double *answers, float *kept);

void moe__sharpness_add(const moe_mixture *m, const moe_batch *batch,
                        const float *kept, size_t first, size_t n,
                        moe_sharpness *s);
bool moe__sharpness_step(moe_sharpness *s); /* true: it is found */

/* The standard deviation of an expert's unseen errors. */
double moe__find_noise(const moe_mixture *m, const moe_batch *batch,
                       const float *kept);

/* Expert e's scores (source rows × experts × errors, or 1) for rows first …
   first+n−1 of the batch: the log-likelihood of the class, with probabilities
   to the power `candour`; that of the value, Gaussian with the deviation
   `candour`; or the signed errors in all outputs, over `candour`. */
typedef struct moe_scoring {
  const moe_mixture *m;
  const moe_batch *batch;
  const float *kept;
  size_t experts, e, errors;
  double candour;
  double *scores;
} moe_scoring;
void moe__score_rows(const moe_scoring *s, size_t first, size_t n);

/* Turns log-likelihoods into what the objective tells the gate. */
void moe__score_objective(int objective, const moe_batch *batch, size_t experts,
                          double *scores);

#endif
