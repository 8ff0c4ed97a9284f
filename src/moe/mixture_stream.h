/* A mixture on a stream: from each sample the gate and the experts learn what
   the experts' answers to it were worth.  The state of that is flat: a run of
   figures an expert, and memory for one step that stays. */
#ifndef MOE_MIXTURE_STREAM_H
#define MOE_MIXTURE_STREAM_H

#include "detector.h"
#include "learner.h"
#include "random.h"
#include "route.h"

enum moe_feedback { MOE_FULL_FEEDBACK, MOE_PARTIAL_FEEDBACK };
enum moe_teach {
  MOE_TEACH_BY_KIND, /* all, or by share where they are of one type */
  MOE_TEACH_ALL,
  MOE_TEACH_CHOSEN,
  MOE_TEACH_BY_SHARE
};
enum moe_warming { MOE_IN_SHADOW, MOE_BY_PENALTY };
enum moe_leveling {
  MOE_LEAVE_LOAD,
  MOE_BY_INTEGRAL,
  MOE_BY_QUANTILE,
  MOE_IN_LOGITS
};
enum moe_death { MOE_BY_ROUTING, MOE_BY_PROBABILITY };
enum moe_revival { MOE_LEAVE_DEAD, MOE_RESET_DEAD, MOE_CLONE_BEST };
enum moe_on_drift { MOE_NOTE_DRIFT, MOE_RESET_DRIFTED, MOE_FORK_DRIFTED };
enum moe_measure { MOE_BEFORE_LEARNING, MOE_AFTER_LEARNING };

/* Params of the "streaming" type. */
typedef struct moe_streaming {
  int feedback, teach;
  double explore, noise;
  int balance;
  double balance_rate;
  int64_t span;
  double dead_below;
  int dead_by, revive;
  int64_t warmup;
  moe_weights warmups;
  int warming;
  int on_drift;
  moe_detector_config drift;
  int measure;
  moe_children forks; /* by the names of their experts */
} moe_streaming;

extern const moe_type moe_streaming_options;

/* The options in an object of that type; NULL stands for the defaults. */
const moe_streaming *moe__streaming_of(const moe_object *options);

/* What runs with the experts: arrays of a number each.  Means are exponentially
   weighted, the newest by 2 / (span + 1), and begin at 0. */
typedef struct moe_run {
  double *load;  /* share of the samples that selected it */
  double *used;  /* its probability */
  double *loss;  /* −log p(class) or squared error, where it was asked; … */
  double *cover; /* … what that mean would be of ones */
  double *taught; /* samples learned since it was new */
  double *born;   /* samples that had come by when it was */
  double *error; /* mean absolute error, or 1 − p(class), since its drift … */
  double *errors;   /* … of so many samples, … */
  double *recent;   /* … and of the newest, with the weight 0.05 */
  double *compared; /* samples since its fork began, … */
  double *lead;     /* … and how much better the fork was, on average */
  double *candour;  /* what is known of its sharpness: see temperature.h */
} moe_run;

/* Numbers of the whole. */
typedef struct moe_runs {
  double disagreement; /* of the newest sample that two or more answered */
  /* Four means, which move together: */
  double mean_disagreement, disagreement_cover; /* of all of those, and … */
  double error;   /* … the mean squared error of the answers */
  double cover;   /* what a mean over all samples would be of ones */
  double entropy; /* of the gate, over the largest that there is */
  double alignment;
  double answer, change, turn; /* the last, its change, the sign of that's */
} moe_runs;

enum {
  MOE_RUN = sizeof(moe_run) / sizeof(double *),
  MOE_RUNS = sizeof(moe_runs) / sizeof(double)
};

enum moe_event {
  MOE_E_DRIFT,
  MOE_E_RESET,
  MOE_E_CLONE,
  MOE_E_FORK,
  MOE_E_TAKE_OVER
};
enum { MOE_MOST_EVENTS = 64, MOE_WINDOW = 128 /* rows of a quantile */ };
enum { MOE_WAITING = 4, MOE_WAITING_WIDTH = 8 };

/* What a sample leaves to the next ones, which wait for it less: logits, their
   share in a mean, and of MOE_WAITING entropies the sum and the mean. */
typedef struct moe_waiting {
  double logits[MOE_WAITING_WIDTH], share, sum[MOE_WAITING], mean[MOE_WAITING];
} moe_waiting;

/* One sample on its way through a mixture. */
typedef struct moe_step {
  moe_call *call;
  moe_object *object;
  const moe_streaming *options;
  const struct moe_mixture_params *params;
  struct moe_mixture *m;
  struct moe_stream *st;
  const moe_example *s;
  size_t n, width; /* experts, outputs */
  double *logits;  /* n, with what balances in logits, if they are needed */
  double *probs;   /* n, of the gate */
  double *scores;  /* n: by which was routed */
  double *weights; /* of the selected */
  double *merit;   /* n: log-likelihood; NaN: not asked */
  double *loss;    /* n; NaN: not asked */
  double *answers; /* of all experts, where the mixture's map has them */
  double *plain;   /* the same of classes, before they are sharpened */
  double *mixed;   /* width: the mixture's answer */
  double *fork;    /* width: a fork's */
  int32_t *chosen; /* the experts that are: best first, -1 for none; … */
  const int32_t *asked; /* … and those that answered */
  uint8_t *warms;       /* n: those that are not heard yet */
  size_t n_chosen, n_asked;
  bool learns; /* or predicts */
  bool has_logits;
  bool considered; /* by the gate, before it learns */
} moe_step;

typedef struct moe_stream {
  uint8_t open;
  size_t n; /* experts, whose names these are */
  moe_texts names;
  int64_t steps; /* samples learned */
  moe_random random;
  moe_run run; /* n */
  moe_runs runs;
  int32_t detector; /* moe_detector */
  size_t detector_size;
  double *detectors;   /* n × detector_size */
  int64_t n_events;    /* ever; kept are the newest, at number % MOST */
  int64_t *event_at;   /* MOE_MOST_EVENTS: steps */
  int32_t *event;      /* moe_event */
  int32_t *event_of;   /* expert, or -1 where it was removed */
  size_t window_rows;  /* MOE_WINDOW where balanced by quantile, else 0 */
  double *window;      /* the newest probabilities, window_rows × n */
  int64_t waits, sums; /* whether logits are to be measured, and how many … */
  moe_waiting *waiting; /* … of their sums wait for a logarithm */

  /* Not saved, but made again. */
  size_t room_size, n_ids;
  double *room;        /* of moe_step's arrays */
  moe_step step;       /* of the sample that is learned */
  int32_t *lists;      /* 3 × n: experts chosen, asked and taught */
  int32_t *everyone;   /* n: 0, 1, … */
  int32_t *ids;        /* n_ids: each expert's class of each of the mixture's */
  int64_t *places;     /* n: where each is among the experts now, or -1 */
  uint64_t changes[2]; /* of the mixture and in what is in it, that count */
  moe_line *lines;     /* n, where all are */
  struct moe_linear_gate *gate;     /* where samples are taken in one piece: */
  const struct moe_gate_rule *rule; /* the gate laid open, and its settings; */
  bool (*at_once)(const moe_step *t); /* what does it, once that is settled */
  double *warmup;                     /* n: samples */
  uint8_t *frozen, *warms;            /* n */
  size_t levels;                      /* of the intake that the experts know */
  size_t selects;                     /* experts, at most */
  int64_t mend_at;      /* in fewer steps there is nothing to mend */
  double share;         /* of the newest sample in a mean */
  double entropy_unit;  /* 1 / log n; 0 of one alone */
  enum moe_teach teach; /* never by kind */
  bool gate_frozen, calls_host, has_warmup, remembers, has_frozen;
  bool of_lines;           /* all experts are, in `lines` */
  bool nests;              /* there may be mixtures within */
  bool teaches_asked;      /* who learns was asked */
  bool classes, is_number; /* the targets are these */
  bool shadows;            /* what warms is not heard */
  bool plain;              /* routing is by the gate's own probabilities, … */
  bool in_logits;          /* … or by its logits as they are, … */
  bool biased;             /* … and a bias counts in the selection */
  bool few, renormalizes;  /* rows are as moe__route_few routes them; how */
} moe_stream;

/* The i-th array of what runs with the experts, by its place in moe_run. */
static inline double **moe__run_at(moe_run *run, size_t i) {
  return (double **)run + i;
}

/* ----------------------------------------------------- mixture_stream.c */

moe_status moe__stream_learn_one(moe_call *call, moe_object *o,
                                 const moe_example *s);
moe_status moe__stream_test_then_learn(moe_call *call, moe_object *o,
                                       const moe_example *s, double *out);
moe_status moe__stream_predict_one(moe_call *call, const moe_object *o,
                                   const double *x, double *out);

/* The logits as the gate gives them now, with what balances in them. */
moe_status moe__ask_gate_again(moe_step *t);
moe_status moe__stream_advance(moe_call *call, moe_object *o,
                               const moe_example *s);

/* The logits of one sample as predict_one routes by them. */
moe_status moe__stream_logits(moe_call *call, const moe_object *o,
                              const double *x, double *logits);

/* |y − p|² of n numbers, but never infinite. */
static inline double moe__squared_error(const double *y, const double *p,
                                        size_t n) {
  double sum = (*y - *p) * (*y - *p);
  for (size_t k = 1; k < n; k++) sum += (y[k] - p[k]) * (y[k] - p[k]);
  return sum < 1e300 ? sum : 1e300;
}

/* ----------------------------------------------- mixture_stream_lines.c
   A sample in one piece, where the stream's `gate` is laid open and it is known
   that the sample is whole; false, and nothing is done, where that will not do.
   What is learned counts among the steps. */
bool moe__lines_learn_one(const moe_step *t);
bool moe__lines_predict_one(const moe_object *o, const moe_example *s,
                            double *out);

/* A sample whose parent or batch holds the object, as long as nothing is in the
   way; false, and nothing is done, where something is.  And the type's
   `take_one`. */
bool moe__lines_learn_at_once(const moe_object *o, const moe_example *s);
moe_status moe__lines_take_one(moe_call *call, moe_object *o, moe_example *s,
                               double *out);

/* ---------------------------------------------- mixture_stream_shares.c */

/* Losses and merits of the experts that were asked for one number each. */
void moe__judge_numbers(const moe_step *t, double precision);

/* Each expert's share of the sample's weight, p_e · likelihood_e relative to
   the largest of those that were asked: so that the best one learns as if it
   were alone.  What is next to nothing is nothing. */
void moe__find_shares(const moe_step *t, double *shares);

/* ------------------------------------------------ mixture_stream_open.c */

moe_status moe__stream_visit(moe_stream *st, moe_visitor *v);
bool moe__stream_is_sound(const moe_object *o);

/* Whether each expert has the classes, and the levels of columns of strings,
   that the state has of it: experts may have met others by themselves. */
bool moe__stream_has_classes(const moe_object *o);
bool moe__stream_has_levels(const moe_object *o);

/* Whether the state is up to date with experts, gate and settings; it may have
   been another object's.  All calls in flight are less than a change. */
static inline bool moe__stream_is_current(const moe_object *o,
                                          const moe_stream *st) {
  return st->open && st->step.object == o &&
         moe_object_doings(o) - st->changes[0] < MOE_CHANGE &&
         moe_object_doings_below(o) - st->changes[1] < MOE_CHANGE &&
         (!st->classes || moe__stream_has_classes(o)) &&
         (moe_learner_fitted(o)->intake.levels.n == 0 ||
          moe__stream_has_levels(o));
}

/* A step without a sample, of so many outputs, with room for what a prediction
   needs, before what learning does, and n indices. */
moe_step moe__step_of(const moe_object *o, moe_stream *st, size_t width,
                      double *room, int32_t *chosen);

/* What the settings say of each sample's way. */
void moe__stream_find_way(const moe_object *o, moe_stream *st);

/* The bias of the selection, or NULL where there is none. */
const double *moe__stream_bias(const moe_object *o);

/* Samples that an answer depends on: the fewest that one of an expert does. */
size_t moe__stream_window(const moe_object *o);

/* Brings the state up to date where experts or gate are new or have changed:
   opens those without a state, and maps classes. */
moe_status moe__stream_follow(moe_call *call, moe_object *o);
moe_status moe__stream_rebuild(moe_call *call, moe_object *o);

/* The type's `cloned`. */
moe_status moe__stream_cloned(moe_call *call, const moe_object *from,
                              moe_object *to);
moe_status moe__stream_add_class(moe_call *call, moe_object *o,
                                 size_t position);

/* ------------------------------------------- mixture_stream_parts.c, _tables.c
   `was` tells where each expert was before, or -1. */

/* The type's `open`: the stream begins with what the experts know. */
moe_status moe__stream_open(moe_call *call, moe_object *o);

/* Opens experts and gate, or takes them as they are. */
moe_status moe__stream_take_parts(moe_call *call, moe_object *o,
                                  const ptrdiff_t *was);

/* The gate's opinion of an expert becomes the mean of those of the others. */
moe_status moe__stream_renew_in_gate(moe_call *call, const moe_object *o,
                                     size_t e);

/* Whether it would take them as they are. */
bool moe__stream_has_parts(const moe_object *o);

void moe__stream_find_places(const moe_object *o, ptrdiff_t *was);

/* The type's `replaced`: the experts, as nothing else has children, are others
   than those of `before`, or elsewhere. */
void moe__stream_replaced(moe_object *o, const moe_param *p,
                          const moe_children *before);

/* The name that the tables' expert e has now, or had when it was there; NULL
   where another has that now. */
const char *moe__stream_name(const moe_object *o, size_t e);

/* Whether each expert that is still there is where it was. */
bool moe__stream_has_places(const moe_stream *st);
moe_status moe__stream_make_tables(moe_call *call, moe_object *o,
                                   const ptrdiff_t *was);

/* Whether the tables are as the options ask; of the experts by their names; and
   those of the experts. */
bool moe__stream_has_sizes(const moe_object *o);
bool moe__stream_has_names(const moe_object *o);
bool moe__stream_has_name(const moe_object *o, size_t e);
bool moe__stream_has_tables(const moe_object *o, const ptrdiff_t *was);

/* ----------------------------------------------- mixture_stream_track.c */

/* After this the sample counts among the steps. */
moe_status moe__track(moe_step *t);

/* Logits are measured with the next sample: brings `used` and the entropy up to
   date; and a copy in which they are, for who may only read, with `used` in the
   call's scratch. */
void moe__stream_settle(moe_stream *st);
moe_status moe__stream_settled(moe_call *call, const moe_stream *st,
                               moe_stream *out);

/* What divides running means of all samples, that they are as if they had not
   begun at 0: but where the options say that they do. */
double moe__stream_cover(const moe_object *o);

/* What an expert lives by: its share of the routing, or its probability, and
   the samples that it has had to get it, where so many are selected. */
typedef struct moe_life {
  double share, samples;
} moe_life;

static inline moe_life moe__life_of(const moe_streaming *options,
                                    const moe_stream *st, size_t e,
                                    size_t selects) {
  const moe_run *run = &st->run;
  if (options->dead_by == MOE_BY_PROBABILITY)
    return (moe_life){run->used[e], run->taught[e]};
  double load = run->load[e] / (double)selects;
  double share = selects < st->n ? load : run->used[e];
  double age = (double)st->steps - run->born[e];
  /* While it warmed up it was not heard. */
  return (moe_life){st->n > 1 ? share : 1, age - st->warmup[e]};
}

static inline bool moe__is_dead(const moe_streaming *options, moe_life life) {
  return life.share < options->dead_below &&
         life.samples > (double)options->span;
}

/* Mends what there is to mend; in most steps nothing, which is seen at once. */
moe_status moe__mend_now(const moe_step *t);
static inline moe_status moe__mend(const moe_step *t) {
  return t->st->steps < t->st->mend_at ? MOE_OK : moe__mend_now(t);
}

void moe__note_event(const moe_step *t, size_t e, enum moe_event event);

/* ------------------------------------------------ mixture_stream_fork.c */

moe_status moe__fork(const moe_step *t, size_t e);
bool moe__has_fork(const moe_step *t, size_t e);
moe_status moe__run_forks(const moe_step *t);

/* Forks meet the classes and levels that the mixture has met. */
moe_status moe__follow_in_forks(moe_call *call, const moe_object *o);

#endif
