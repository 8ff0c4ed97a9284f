/* Fitting a mixture, as a job. */
#ifndef MOE_MIXTURE_FIT_H
#define MOE_MIXTURE_FIT_H

#include "kmeans.h"
#include "mixture.h"

/* A piece of the work, which leaves in `piece` what comes after it. */
typedef moe_status (*moe_mixture_piece)(moe_call *call, moe_job *job);

/* The search for the power of an expert's probabilities that makes its unseen
   answers most likely: rounds of adding all rows, then a step. */
typedef struct moe_sharpness {
  double power, slope, curve;
  int round;
} moe_sharpness;

/* Training all parts together (em.c): what each expert and the gate hold of
   each row, source rows × experts. */
typedef struct moe_em {
  double *fit;     /* log-likelihoods, or -½ squared errors of experts whose
                      density is Gaussian about their answer, … */
  double *density; /* … from which come the log-likelihoods */
  double *gate;    /* log-probabilities */
  double *share;   /* responsibilities */
  double *trial;   /* what a candidate for one of these holds */
  double *weight;  /* source rows: of the rows for an expert's own job */
  double total, least; /* weight of all rows; least variance of an expert */
  bool *known;         /* experts: whether `fit` is there */
  bool gated;          /* whether `gate` is */
  int64_t round, run;
  double likelihood;     /* of all rows, by the round before */
  moe_object *candidate; /* a trainee or the gate, one round on */
  moe_plan plan;         /* of experts that are mixtures */
  double *rounds;        /* the likelihoods of the run's rounds */
  size_t n_rounds, room;
  moe_object **best; /* experts and gate of the best run so far … */
  double *best_noise, *best_rounds, best_likelihood; /* … and its figures */
  int64_t *best_samples;
  size_t n_best;
} moe_em;

/* Descent along the gradient of all parts together (joint.c).  A mini-batch is
   copied out, so that what is kept of its rows is no larger than it. */
typedef struct moe_joint {
  size_t n_weights;
  double *weights, *gradient, *first, *second; /* Adam's two moments */
  double *best, best_loss;
  int64_t epoch, step, waited; /* waited: epochs since the best */
  int32_t *order;              /* rows: those to learn from, then those that
                                  tell when to stop */
  size_t n_own, n_held, next;
  double sum;               /* of the epoch's losses */
  double total, held_total; /* weights of the rows */
  double *x, *values, *weight;
  int32_t *ids, *index;
  int64_t *start;
  float *entries;
  size_t index_room, entries_room;
  moe_csr csr;
  moe_target target;
} moe_joint;

typedef struct moe_mixture_job {
  moe_mixture_piece piece;   /* of work that comes next */
  moe_plan plan;             /* nothing in it is left open */
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
  moe_kmeans kmeans;
  int32_t *subset;  /* source rows: the experts of clusters, or NULL */
  bool probing;     /* the first expert's folds give residuals to cluster */
  float *residuals; /* those: rows × outputs */
  double *residual_weight; /* rows */
  moe_rows residual_rows;
  float *kept;       /* source rows × outputs: the expert's unseen answers */
  int objective;     /* never auto */
  size_t errors;     /* a score is a log-likelihood (0), or so many errors */
  double *scores;    /* source rows × experts (× errors) */
  moe_batch batch;   /* of the job */
  moe_target target; /* of the gate's */
  moe_labels names;  /* of the experts: not owned, but for the array */
  double *noise, *sharpness, *bias; /* experts */
  int64_t *samples;                 /* experts */
  moe_em em;
  moe_joint joint;
  moe_routing routing;
  int balanced;  /* rounds of balancing so far */
  size_t marked; /* experts marked as being fitted */
} moe_mixture_job;

moe_status moe__mixture_begin(moe_call *call, moe_job *job);
moe_status moe__mixture_step(moe_call *call, moe_job *job);
void moe__mixture_commit(moe_job *job);
moe_status moe__mixture_publish(moe_call *call, moe_job *job);
void moe__mixture_end(moe_job *job);

/* Pieces where a part of the work begins: finding subsets (mixture_subsets.c),
   an expert's turn and the folds of a first model (mixture_experts.c), the
   gate's on the scores and the figures of info() (mixture_fit.c). */
moe_status moe__mixture_start_subsets(moe_call *call, moe_job *job);
moe_status moe__mixture_probe(moe_call *call, moe_job *job);
moe_status moe__mixture_start_expert(moe_call *call, moe_job *job);
moe_status moe__mixture_start_gate(moe_call *call, moe_job *job);
moe_status moe__mixture_start_routing(moe_call *call, moe_job *job);

/* Where the training that the plan names begins. */
moe_mixture_piece moe__mixture_first_piece(const moe_job *job);

/* Commits the job of a trainee, a trial or the gate, which is done. */
moe_status moe__mixture_finish_job(moe_call *call, moe_mixture_job *w);

/* The mixture's own seed, or what it was given by its parent. */
uint64_t moe__mixture_seed(const moe_job *job);

/* Whether fit leaves expert e, or the gate, as it is. */
bool moe__mixture_is_frozen(const moe_object *mixture, size_t e);
bool moe__mixture_gate_is_frozen(const moe_object *mixture);

/* MOE_ESTATE unless expert e, which is not trained, was fitted to targets of
   this kind and width. */
moe_status moe__mixture_check_answers(moe_call *call, const moe_job *job,
                                      size_t e);

/* Whether there is a gate that was fitted to as many experts. */
bool moe__mixture_has_gate(const moe_mixture_job *w);

/* A view of some source rows of the batch for the expert whose turn it is,
   without what is the mixture's own affair: subsets and plan. */
moe_batch moe__mixture_part(const moe_job *job, const int32_t *rows, size_t n);

/* Expectation maximisation (em.c). */
moe_status moe__em_start(moe_call *call, moe_job *job);

/* Whether a warm job has all that a mixture is made of. */
moe_status moe__em_check_warm(moe_call *call, const moe_job *job);
void moe__em_free(moe_em *em, size_t experts);

/* What a commit in the middle publishes, and then what goes on: while a later
   run of em is under way the best one so far takes its place, or gives it back;
   gradient shows the weights that were best, or those of its last step. */
moe_status moe__em_exchange_best(moe_call *call, moe_job *job);
void moe__joint_show_best(moe_job *job, bool best);

/* By the gradient (joint.c): begins as em does. */
moe_status moe__joint_start(moe_call *call, moe_job *job);
moe_status moe__joint_descend(moe_call *call, moe_job *job);
void moe__joint_free(moe_joint *joint);

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

/* The deviation of such a variance, which is neither below `least` nor so large
   that it could not be squared again. */
double moe__deviation_of(double variance, double least);

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
