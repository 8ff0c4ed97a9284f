/* The experts of a sparse layer: feed-forward networks with one hidden layer,
   their weights stacked, each working on the rows that were routed to it.

     expert(x) = f(x W_in + b_in) W_out + b_out, or gated (Shazeer 2020, arXiv
                 2002.05202) (f(x W_gate) ∘ (x W_in + b_in)) W_out + b_out
     answer(t) = Σ over the selections of row t of weight · expert(x_t)

   Rows are sorted by expert once, and worked on in rounds, so that what is in
   hand does not count beside what is saved for backward.  A round has phases:
   tiles of an expert's rows, bands of the hidden layer, bands of the answers.
   Their pieces, with single-threaded products, are cut by shape alone, and no
   two of a phase write the same numbers: the bits do not depend on the number
   of threads. */
#ifndef MOE_FEED_FORWARD_H
#define MOE_FEED_FORWARD_H

#include "activation.h"
#include "dispatch.h"
#include "pool.h"
#include "threads.h"

typedef struct moe_feed_forward {
  size_t experts, dim, hidden, out;
  moe_activation activation;
  const float *w_in;   /* experts × dim × hidden */
  const float *w_gate; /* the same, or NULL: not gated */
  const float *w_out;  /* experts × hidden × out */
  const float *b_in;   /* experts × hidden, or NULL */
  const float *b_out;  /* experts × out, or NULL */
} moe_feed_forward;

/* Rows, and which of them go where. */
typedef struct moe_dispatched {
  size_t rows, width;   /* selections of a row */
  const float *x;       /* rows × dim */
  const float *weights; /* rows × width */
  moe_dispatch sorted;
} moe_dispatched;

/* The answers, into out (rows × out).  `saved` (moe_feed_forward_saved floats)
   takes what backward needs, unless NULL. */
moe_status moe_feed_forward_run(moe_call *call, const moe_feed_forward *f,
                                const moe_dispatched *d, float *saved,
                                float *out);
size_t moe_feed_forward_saved(const moe_feed_forward *f,
                              const moe_dispatched *d);

/* Where gradients are added to (`fresh`: put), or NULL where none is wanted. */
typedef struct moe_added {
  float *to;
  bool fresh;
} moe_added;

/* The gradients from g (rows × out), that by the answers.  `saved` is used up.
   Those by the weights of selections without a place in `sorted` are 0. */
typedef struct moe_feed_forward_gradients {
  moe_added x, weights, w_in, w_gate, w_out, b_in, b_out;
} moe_feed_forward_gradients;

moe_status moe_feed_forward_back(moe_call *call, const moe_feed_forward *f,
                                 const moe_dispatched *d, float *saved,
                                 const float *g,
                                 const moe_feed_forward_gradients *to);

/* ----------------------------------------------- among the kernel's files */

enum {
  MOE__TILE = 640,   /* rows of an expert that are worked on together, … */
  MOE__ROUND = 2304, /* … sorted rows of a round, … */
  MOE__BAND = 1024,  /* … columns of the hidden layer, all at most; … */
  MOE__PARTS = 16    /* … parts of the answers */
};

/* Rows first … first + n − 1 of the sorted ones, all of one expert. */
typedef struct moe__tile {
  size_t expert, first, n;
} moe__tile;

/* What the pieces of a round's phases are given. */
typedef struct moe__round {
  const void *pass; /* forward or backward as a whole */
  const moe__tile *tiles;
  size_t n;
  bool first; /* of all rounds */
} moe__round;

/* How a pass over all rows is cut, and its room: for each worker `own` floats,
   and in `rows` each row of a round.  A row of x or of answers begins `wide`
   floats after the one before, the more of dim and out. */
typedef struct moe__plan {
  const moe_feed_forward *f;
  const moe_dispatched *d;
  size_t n_tiles, n_rounds;
  moe__tile *tiles;
  moe__round *rounds;
  moe_phase *phases;
  int64_t *places; /* the sorted row of each selection, or −1 */
  size_t own, wide;
  float *room, *rows;
} moe__plan;

/* `hidden`: floats of a worker's room for each row of a tile and unit of the
   hidden layer. */
moe_status moe__plan_new(moe_call *call, const moe_feed_forward *f,
                         const moe_dispatched *d, size_t hidden, moe__plan *p);
void moe__plan_free(moe__plan *p);

/* A phase of every round: pieces by tiles; by experts of the round, and for
   each by bands of the hidden layer; or by parts of the answers. */
typedef struct moe__step {
  enum { MOE__BY_TILES, MOE__BY_BANDS, MOE__BY_PARTS } cut;
  moe_piece piece; /* its context is a moe__round */
} moe__step;
enum { MOE__STEPS = 6 /* at most */ };

void moe__plan_run(moe_call *call, moe__plan *p, const void *pass, size_t n,
                   const moe__step *steps);

static inline size_t moe__bands(const moe_feed_forward *f) {
  return f->hidden > 0 ? (f->hidden + MOE__BAND - 1) / MOE__BAND : 1;
}

static inline float *moe__worker_room(const moe__plan *p, int worker) {
  return p->room + (size_t)worker * p->own;
}

/* The row of x behind a sorted one. */
static inline size_t moe__row_of(const moe_dispatched *d, size_t sorted) {
  return (size_t)d->sorted.slots[sorted] / d->width;
}

static inline float moe__weight_of(const moe_dispatched *d, size_t sorted) {
  return d->weights[d->sorted.slots[sorted]];
}

/* Where the rows of a tile are among those of its round. */
static inline size_t moe__at(const moe__round *r, const moe__tile *t) {
  return t->first - r->tiles[0].first;
}
static inline float *moe__rows_of(const moe__plan *p, const moe__round *r,
                                  const moe__tile *t) {
  return p->rows + moe__at(r, t) * p->wide;
}

/* Hidden numbers of a row that are saved; of a tile those of the gate lie
   before the others. */
static inline size_t moe__each(const moe_feed_forward *f) {
  return f->w_gate != NULL ? 2 * f->hidden : f->hidden;
}

/* A tile's rows of `width` floats, from where they came from, times their
   weights if `weighted`. */
void moe__gather_rows(const moe__plan *p, const moe__tile *t, size_t width,
                      bool weighted, const float *from, float *to);

/* Adds to a part of the rows `to` what `rows` of the round hold for them, times
   their weights if `weighted`; puts what is the first for a `fresh` one. */
typedef struct moe__scatter {
  size_t width;
  bool weighted, fresh;
  float *to;
} moe__scatter;
void moe__scatter_part(const moe__plan *p, const moe__round *r, size_t part,
                       const moe__scatter *s);

/* moe_feed_forward_run of one row, of which nothing is saved. */
moe_status moe__feed_forward_row(moe_call *call, const moe_feed_forward *f,
                                 const moe_dispatched *d, float *out);

/* Of the hidden layer f(x) is saved in the place of x. */
static inline bool moe__is_in_place(const moe_feed_forward *f) {
  return f->w_gate == NULL && moe_activation_needs_only_value(f->activation);
}

#endif
