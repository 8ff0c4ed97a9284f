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
  MOE_AT_CALIBRATION, /* score the expert by its unseen answers */
  MOE_AT_GATE,
  MOE_AT_GATE_TRAINING,
  MOE_AT_ROUTING /* route the training rows, for the figures of info() */
} moe_mixture_phase;

typedef struct moe_mixture_job {
  moe_mixture_phase phase;
  size_t expert, fold, next; /* next: the row that scoring has come to */
  moe_children trainees;     /* clones of the experts, or they themselves */
  moe_object *gate, *trial;
  moe_job *job; /* of a trainee, a trial or the gate */
  size_t n;     /* rows of the batch */
  int32_t *rows, *others, *part; /* the expert's rows, those that are not, and
                                    a fold's: as source rows */
  size_t n_rows, n_others, n_part;
  int32_t *fold_of;  /* of each of the expert's rows */
  size_t n_folds;
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

/* How well an expert did (mixture_scores.c).  First the answers for n rows of
   the batch, by an expert fitted as `f`, are put aside: in `kept`, a row of the
   mixture's outputs for each source row, NaN where there was no answer. */
moe_status moe__keep_answers(moe_call *call, const moe_mixture *m,
                             const moe_fitted *f, const int32_t *rows, size_t n,
                             const double *answers, float *kept);

/* Then, with all of them there, expert e's column of the scores (source rows ×
   experts) is filled with log-likelihoods of the targets: of the class, with
   probabilities to the power *sharpness, which is found here if `calibrate`
   (else 1); or Gaussian, with the standard deviation *noise of the expert's own
   errors. */
void moe__score_classes(const moe_mixture *m, const moe_batch *batch,
                        bool calibrate, const float *kept, size_t experts,
                        size_t e, double *scores, double *sharpness);
void moe__score_values(const moe_mixture *m, const moe_batch *batch,
                       const float *kept, size_t experts, size_t e,
                       double *scores, double *noise);

/* The same with the signed errors of all outputs as scores (source rows ×
   experts × outputs), as they are. */
void moe__score_errors(const moe_mixture *m, const moe_batch *batch,
                       const float *kept, size_t experts, size_t e,
                       double *scores, double *noise);

/* Turns log-likelihoods into what the objective tells the gate. */
void moe__score_objective(int objective, const moe_batch *batch,
                          size_t experts, double *scores);

#endif
