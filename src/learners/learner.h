/* The learner contract.  An expert is one file with one moe_learner_type; a
   gate is a learner whose target is how well each expert did (MOE_GATING). */
#ifndef MOE_LEARNER_H
#define MOE_LEARNER_H

#include "intake.h"
#include "line.h"
#include "rows.h"
#include "vector.h"

enum {
  MOE_CLASSIFIES = 1 << 0,
  MOE_REGRESSES = 1 << 1,
  MOE_GATES = 1 << 2,
  MOE_MULTI_OUTPUT = 1 << 3,    /* regression targets wider than 1 */
  MOE_TAKES_MISSING = 1 << 4,   /* NaN features */
  MOE_TAKES_SPARSE = 1 << 5,    /* CSR rows, in memory of their entries */
  MOE_TAKES_NOMINAL = 1 << 6,   /* table columns of strings */
  MOE_ONLINE = 1 << 7,          /* learn, and answers before any training */
  MOE_OUT_OF_BAG = 1 << 8,      /* keeps predictions of rows it did not fit */
  MOE_HOST_ONLY = 1 << 9,       /* calls the host: never from a worker thread */
  MOE_DIFFERENTIABLE = 1 << 10, /* weights, and the gradient of its loss */
  MOE_TRAINED = 1 << 11         /* elsewhere: it stays as it is, fit refuses */
};

/* Every learner's state begins with this: what fit learned about the data. */
typedef struct moe_fitted {
  moe_task task;
  size_t n_features;
  size_t n_outputs; /* classes, experts of a gate, or width of the target */
  int64_t n_seen;   /* rows learned from */
  moe_schema schema;
  moe_labels labels;  /* the classes, in order; of a gate the experts' names */
  moe_intake intake;  /* open where it all began with a stream; n_features is
                         what the intake lets through, schema.n what comes */
  const void *teller; /* the host's own: who has told the columns' names in
                         the schema's order; neither saved nor copied */
} moe_fitted;

/* One sample of a stream, as its learner sees it. */
typedef struct moe_example {
  const double *x;      /* n_features; from outside schema.n, with the codes of
                           the learner's intake in nominal columns */
  const double *y;      /* regression: n_outputs; gating: each expert's
                           log-likelihood, NaN of one that was not asked */
  int32_t id;           /* classification: index into the labels */
  double weight;        /* above 0; of advance: anything */
  const double *answer; /* what predict_one says of x now, or NULL where nobody
                           has asked */
  double norm;          /* |x|² where it is known that x has neither holes nor
                           anything infinite; 0 where it is not */
  bool considered;      /* the object has just answered it by consider_one */
} moe_example;

/* Numbers that a job tells the history, one a round: a loss, for instance. */
typedef struct moe_series {
  const char *name; /* a constant */
  double *values;
  size_t n, room;
} moe_series;

/* Fitting: `state` is built aside and takes the place of object->state on
   commit.  `batch` has its own target: classification ids are indices into
   the labels of state, every one of which occurs. */
typedef struct moe_job {
  moe_object *object; /* retained */
  void *state;        /* begins with a filled-in moe_fitted */
  moe_batch batch;
  moe_target target; /* what batch.y points to */
  int32_t *ids;      /* the job's own, one a source row */
  void *work;        /* the type's job_size bytes, zeroed */
  bool warm; /* may begin from what the object has learned, whose labels and
                width are the state's: the same optimum, sooner */
  bool done;
  bool
      usable; /* the state would serve as it is: set by step; done implies it */
  size_t n_notes; /* what the history should say: texts, owned */
  char **notes;
  size_t n_series; /* and numbers, owned */
  moe_series *series;
} moe_job;

typedef struct moe_learner_type {
  moe_type type;
  unsigned traits;
  size_t job_size;

  /* Allocates state and work; may do nothing else that takes long.  NULL: comes
     trained, and is never fitted. */
  moe_status (*begin)(moe_call *call, moe_job *job);

  /* Goes on until job->done, or returns earlier, at the end of a bounded piece
     of work, when moe_call_pausing says so.  The same bits either way. */
  moe_status (*step)(moe_call *call, moe_job *job);

  /* Takes what the job learned about other objects into place (a mixture's
     experts); called just before the state is swapped; may not fail. */
  void (*commit)(moe_job *job);

  /* Commits a job that is usable but not done: gives the object copies of what
     was learned, and all of it stays with the job, which goes on.  For types
     whose commit hands over what other objects learned; NULL: a copy of the
     state will do. */
  moe_status (*publish)(moe_call *call, moe_job *job);

  /* Frees what work points to, whatever has happened. */
  void (*end)(moe_job *job);

  /* Online: learns from each row once, in order.  The rows are valid, ids are
     indices into the state's labels.  The first time there is a state with
     nothing but its moe_fitted filled in: allocate what is still NULL. */
  moe_status (*learn)(moe_call *call, moe_object *o, const moe_batch *batch);

  /* A stream's learner has these two besides, which take one sample, allocate
     nothing in the long run and never call the host; its learn and predict may
     be moe_stream_learn and moe_stream_predict, its begin and step (one pass in
     the order of the rows) moe_stream_begin and moe_stream_step.  What learn
     says of the first time holds for learn_one.  predict_one is asked only
     after something was learned; stream types take x as it comes, and NaN only
     with MOE_TAKES_MISSING. */
  moe_status (*predict_one)(moe_call *call, const moe_object *o,
                            const double *x, double *out);
  moe_status (*learn_one)(moe_call *call, moe_object *o, const moe_example *s);

  /* moe_learner_learn_one, or with an `out` moe_learner_test_then_learn, for
     types that see sooner whether anything is in a sample's way; if so,
     moe__learn_with_care.  NULL: always that. */
  moe_status (*take_one)(moe_call *call, moe_object *o, moe_example *s,
                         double *out);

  /* Both at once, for types that find their answer out on the way to learning:
     what predict_one says goes to `out`.  NULL: one is called after the other.
   */
  moe_status (*test_then_learn)(moe_call *call, moe_object *o,
                                const moe_example *s, double *out);

  /* Where the object is nothing but a line for now, and sees samples as they
     come: true, and its numbers, which stay where they are until its `changes`
     count.  NULL: it never is. */
  bool (*lay_open)(moe_object *o, moe_line *out);

  /* Of a learner with a memory of its own past: the sample came by, and is not
     learned from.  Its weight says nothing; its target is told where it is
     known, for a memory of targets (else y is NULL, id below 0).  What
     predict_one says of x is what it would say if x came next: neither it nor
     predict, row by row, moves the memory; learn_one does.  NULL: no memory. */
  moe_status (*advance)(moe_call *call, moe_object *o, const moe_example *s);

  /* Of such a learner: its memory is as it was before the first sample; what
     was learned stays.  NULL: nothing to do. */
  void (*forget_past)(moe_object *o);

  /* Samples that an answer depends on, the present one included; SIZE_MAX: all
     there were.  NULL: 1. */
  size_t (*context_window)(const moe_object *o);

  /* The logits whose softmax a gate's predict_one is; NULL: their logarithms
     are taken. */
  moe_status (*logits_one)(moe_call *call, const moe_object *o, const double *x,
                           double *out);

  /* What predict_one says, of an object that may learn the sample next: what it
     found out on the way it may keep for that, in room that is not saved.
     NULL: nothing is worth keeping. */
  moe_status (*consider_one)(moe_call *call, moe_object *o, const double *x,
                             double *out);

  /* Of a gate: by how much its last learn_one has moved the logits of that
     sample, or NULL where it does not tell. */
  const double *(*moved)(const moe_object *o);

  /* A stream begins: the state knows its columns, and what classes the parent
     of the object knows; more may be added.  NULL: nothing to do. */
  moe_status (*open)(moe_call *call, moe_object *o);

  /* Online classification: room for a new class at `position`, beside the
     n_outputs that there are; the label is in place, n_outputs is not. */
  moe_status (*add_class)(moe_call *call, moe_object *o, size_t position);

  /* The same of a gate, for a new expert; and its opposite, which only gates
     have: the expert at `position` goes, n_outputs has not changed yet. */
  void (*remove_class)(moe_object *o, size_t position);

  /* Class probabilities, gate probabilities or values: n × n_outputs doubles.
     Does not write to the object.  The rows are valid for the state. */
  moe_status (*predict)(moe_call *call, const moe_object *o, const moe_rows *x,
                        double *out);

  /* With MOE_OUT_OF_BAG, on a job that is done: predictions for the rows of
     `x`, which has the source of the job's batch, by the parts that did not
     fit the row; all parts for rows outside the batch.  NaN where none. */
  moe_status (*out_of_bag)(moe_call *call, const moe_job *job,
                           const moe_rows *x, double *out);

  /* The log-likelihood of each row's target, batch->x.n numbers, for types
     whose density is not told by what they predict (a Poisson model, a
     mixture).  NULL: the logarithm of the class's probability, or Gaussian
     about the value with a deviation that the caller estimates. */
  moe_status (*log_likelihood)(moe_call *call, const moe_object *o,
                               const moe_batch *batch, double *out);

  /* With MOE_DIFFERENTIABLE, on a trained object: what learns, as one run of
     numbers; and the batch's loss Σ_i w_i l_i, with its derivative by those
     numbers.  l is −log p(class), ½ |y − f(x)|² or, of a gate, the loss of its
     target; penalties on the weights are not in it. */
  size_t (*n_weights)(const moe_object *o);
  void (*get_weights)(const moe_object *o, double *out);
  void (*set_weights)(moe_object *o, const double *in);
  moe_status (*differentiate)(moe_call *call, const moe_object *o,
                              const moe_batch *batch, double *loss,
                              double *gradient);

  /* The task on such targets, where other parameters than `task` decide (a
     family, a loss).  NULL: they do not. */
  moe_task (*choose_task)(const moe_object *o, bool labelled);

  /* What each feature contributes to each output, x->n × n_outputs × (d + 1)
     numbers, the last of each d + 1 the bias; they sum to what the model adds
     up: values, mean probabilities or logits (of two classes with logits, each
     one's less the other's).  NULL: it cannot be told apart. */
  moe_status (*contribute)(moe_call *call, const moe_object *o,
                           const moe_rows *x, double *out);

  /* Of regression: the variance of each target about what predict says of it,
     x->n × n_outputs numbers.  NULL: not known. */
  moe_status (*variance)(moe_call *call, const moe_object *o, const moe_rows *x,
                         double *out);
} moe_learner_type;

/* A type's visit begins with this. */
moe_status moe_fitted_visit(moe_fitted *f, moe_visitor *v);

/* After load, before the type's own check: MOE_EFORMAT unless task, counts,
   columns and classes of the object's state agree with its type and each
   other. */
moe_status moe_fitted_check(moe_call *call, const moe_object *o);

static inline const moe_learner_type *moe_learner_type_of(const moe_object *o) {
  return (const moe_learner_type *)o->type;
}
static inline const moe_fitted *moe_learner_fitted(const moe_object *o) {
  return o->state; /* NULL before training */
}

/* A stream has begun, and nothing of it was learned yet: what the type
   allocates may be NULL, and nobody asks it. */
static inline bool moe_learner_knows_nothing(const moe_object *o) {
  return moe_learner_fitted(o)->n_seen == 0 &&
         !(moe_learner_type_of(o)->traits & MOE_TRAINED);
}

/* A sample of n features, finite or missing, to be answered. */
static inline moe_example moe_example_of(const double *x, size_t n) {
  double norm = moe_dot(x, x, n);
  return (moe_example){.x = x, .norm = norm < INFINITY ? norm : 0};
}

/* Of a sample of n features: that x holds nothing but finite numbers; |x|². */
static inline bool moe_example_is_whole(const moe_example *s, size_t n) {
  return s->norm > 0 || moe_is_finite(s->x, n);
}
static inline double moe_example_norm(const moe_example *s, size_t n) {
  return s->norm > 0 ? s->norm : moe_dot(s->x, s->x, n);
}

/* The task parameter of types that can do both, and its choices. */
enum { MOE_TASK_AUTO, MOE_TASK_CLASSIFICATION, MOE_TASK_REGRESSION };
extern const char *const moe_task_choices[];
#define MOE_P_TASK(T)                                                     \
  MOE_P_CHOICE(T, task, MOE_TASK_AUTO, moe_task_choices,                  \
               "what to predict; auto: classification if the labels are " \
               "strings or booleans")

/* The learner whose answers o gives: itself, or the model of a pipeline. */
const moe_object *moe_learner_answering(const moe_object *o);

/* The task that the object performs on such targets: labelled ones (strings,
   booleans) or numbers. */
moe_task moe_learner_task(const moe_object *o, bool labelled);

/* MOE_HOST_ONLY and MOE_ONLINE may depend on children. */
unsigned moe_learner_traits(const moe_object *o);

/* ------------------------------------------------------------------- fitting
   begin → step until job->done → commit; end at any time.  `batch` is borrowed
   until end.  An error leaves the object as it was.  A commit before the job is
   done, but usable, gives the object a copy of what has been learned so far;
   the job goes on, to the same bits as without. */
moe_status moe_job_begin(moe_call *call, moe_object *o, const moe_batch *batch,
                         moe_job **out);
moe_status moe_job_step(moe_call *call, moe_job *job);
moe_status moe_job_commit(moe_call *call, moe_job *job);
void moe_job_end(moe_job *job); /* accepts NULL */

/* Lets the job begin from what its object has learned; false, and nothing is
   done, where that was of other columns, classes or width (of an object of the
   host's the classes may be others).  Before the first step. */
bool moe_job_warm(moe_job *job);

/* A line for history.notes; lost without harm when memory is short. */
void moe_job_note(moe_job *job, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One more number of a series (`name` is a constant), and none of them. */
void moe_job_record(moe_job *job, const char *name, double value);
void moe_job_forget(moe_job *job, const char *name);

/* Notes and series of a part's job become the job's own. */
void moe_job_adopt(moe_job *job, const moe_job *part);

/* Gives the object a copy of the job's state: the whole of a publication, or
   its last part that can fail. */
moe_status moe_job_publish(moe_call *call, moe_job *job);

/* All four at once. */
moe_status moe_learner_fit(moe_call *call, moe_object *o,
                           const moe_batch *batch);

/* Learns from each row once.  The first batch fixes task, width and names;
   unseen labels become classes. */
moe_status moe_learner_learn(moe_call *call, moe_object *o,
                             const moe_batch *batch);

/* The same of one sample, where there is a state and the label is known:
   faster, and without any allocation for types of fixed size.  s->weight may be
   0; answer, norm and considered are filled in. */
moe_status moe_learner_learn_one(moe_call *call, moe_object *o, moe_example *s);

/* The same, and before it what moe_learner_predict_one says of s->x, into
   `out`: with the same bits, and in less time than both. */
moe_status moe_learner_test_then_learn(moe_call *call, moe_object *o,
                                       moe_example *s, double *out);

/* n_outputs doubles into `out`: 0 (regression) or equal probabilities before
   anything was learned.  x as in moe_example, from outside. */
moe_status moe_learner_predict_one(moe_call *call, const moe_object *o,
                                   const double *x, double *out);

/* The place of a label among those of a learner that has a state and learns
   online, which gets it if it has not met it yet. */
moe_status moe_learner_add_label(moe_call *call, moe_object *o,
                                 const moe_label *label, int32_t *id);

/* A new sequence begins: the object and all in it forget what came last, not
   what they have learned. */
moe_status moe_learner_reset_state(moe_call *call, moe_object *o);

/* 1, or what the type says. */
size_t moe_learner_context_window(const moe_object *o);

/* For parents (a mixture, a wrapper), which have checked the sample, from
   outside, and whose own calls protect the child: a child without a state
   becomes one that knows the parent's columns, levels and, of classes, labels;
   `outputs` and `labels` are those of a gate's experts (else 0 and NULL).  The
   levels that the parent has met since are handed on by moe__follow_levels.  To
   predict, of the sample nothing but x and norm is looked at. */
moe_status moe__open_child(moe_call *call, moe_object *child,
                           const moe_fitted *parent, moe_task task,
                           size_t outputs, const moe_labels *labels);
moe_status moe__follow_levels(moe_call *call, moe_object *child,
                              const moe_fitted *parent);
moe_status moe__open_stream(moe_call *call, moe_object *o); /* by its type */
moe_status moe__predict_one(moe_call *call, const moe_object *o,
                            const moe_example *s, double *out);
moe_status moe__learn_one(moe_call *call, moe_object *o, const moe_example *s);
moe_status moe__advance(moe_call *call, moe_object *o, const moe_example *s);
moe_status moe__logits_one(moe_call *call, const moe_object *o,
                           const moe_example *s, double *out);

/* Any sample from outside, of which nothing is known: see take_one. */
moe_status moe__learn_with_care(moe_call *call, moe_object *o, moe_example *s,
                                double *out);

/* The sample has been learned from, whether as it came or encoded; and whether
   more than its number is counted. */
static inline bool moe__counts_columns(const moe_fitted *f) {
  return f->intake.open && !f->intake.keeps_holes;
}
static inline void moe__count_sample(moe_fitted *f, const moe_example *s,
                                     bool as_is) {
  if (moe__counts_columns(f))
    (as_is ? moe_intake_count_whole : moe_intake_count)(&f->intake, s->x);
  f->n_seen++;
}

/* moe__predict_one of an object that may learn the sample next: where it was
   considered, so may the sample say that it learns. */
moe_status moe__consider_one(moe_call *call, moe_object *o,
                             const moe_example *s, double *out,
                             bool *considered);

/* What stream types put into their type record. */
moe_status moe_stream_begin(moe_call *call, moe_job *job);
moe_status moe_stream_step(moe_call *call, moe_job *job);
moe_status moe_stream_learn(moe_call *call, moe_object *o,
                            const moe_batch *batch);
moe_status moe_stream_predict(moe_call *call, const moe_object *o,
                              const moe_rows *x, double *out);

/* n × n_outputs doubles into `out`.  MOE_ESTATE before training. */
moe_status moe_learner_predict(moe_call *call, const moe_object *o,
                               const moe_rows *x, double *out);

/* What the type's log_likelihood gives for each row of the batch, which it must
   have.  A class that the object has not met costs log(1e-6 / classes). */
moe_status moe_learner_log_likelihood(moe_call *call, const moe_object *o,
                                      const moe_batch *batch, double *out);

/* What the type's differentiate gives, which it must have; rows of classes that
   the object has not met count nothing. */
moe_status moe_learner_differentiate(moe_call *call, const moe_object *o,
                                     const moe_batch *batch, double *loss,
                                     double *gradient);

/* x->n × n_outputs × (d + 1) doubles into `out`, as the type's contribute says.
   MOE_EUNSUPPORTED where it has none; else as moe_learner_predict. */
moe_status moe_learner_contribute(moe_call *call, const moe_object *o,
                                  const moe_rows *x, double *out);

/* x->n × n_outputs doubles into `out`, as the type's variance says; Inf where
   nothing was learned.  MOE_EUNSUPPORTED where it has none; else as
   moe_learner_predict. */
moe_status moe_learner_variance(moe_call *call, const moe_object *o,
                                const moe_rows *x, double *out);

/* ------------------------------------------------ among the learner's files */

/* Refuses a learner that cannot learn row by row, naming the child at fault. */
moe_status moe__check_online(moe_call *call, const moe_object *o);

/* Refuses rows that the object cannot take, as its traits and intake say. */
moe_status moe__check_rows(moe_call *call, const moe_object *o,
                           const moe_rows *x);
moe_status moe__check_first_rows(moe_call *call, const moe_object *o,
                                 const moe_rows *x, bool stream);
/* Rows that all weigh 0 teach nothing; one that has `begun` lets them pass. */
moe_status moe__check_batch(moe_call *call, const moe_object *o,
                            const moe_batch *b, bool begun);

/* Fills in what is known of the data before anything is learned; of a stream
   with an intake. */
moe_status moe__new_fitted(moe_call *call, const moe_object *o,
                           const moe_batch *b, bool stream, moe_fitted *f);

/* Rows as an object with an open intake sees them, in the call's scratch;
   `learner` (else NULL) is the same object where it learns from them, with a
   weight a row. */
moe_status moe__encode_rows(moe_call *call, const moe_object *o,
                            moe_object *learner, const double *weights,
                            const moe_rows *x, moe_rows *out);

/* The same of a batch, its targets and weights in the order of the rows. */
moe_status moe__encode_batch(moe_call *call, const moe_object *o,
                             moe_object *learner, const moe_batch *from,
                             moe_target *target, moe_batch *to);

/* The answers of one who knows nothing: 0, or equal probabilities. */
void moe__know_nothing(const moe_fitted *f, size_t rows, double *out);

/* Whether rows of that kind are encoded for the object, which has a state. */
bool moe__is_encoded(const moe_object *o, const moe_rows *x);

#endif
