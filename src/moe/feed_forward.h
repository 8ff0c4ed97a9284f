/* The experts of a sparse layer: feed-forward networks with one hidden layer,
   their weights stacked, each working on the rows that were routed to it.

     expert(x) = f(x W_in + b_in) W_out + b_out, or gated (Shazeer 2020, arXiv
                 2002.05202) (f(x W_gate) ∘ (x W_in + b_in)) W_out + b_out
     answer(t) = Σ over the selections of row t of weight · expert(x_t)

   Rows are sorted by expert once.  Tiles of an expert's rows are worked on in
   parallel, each with single-threaded products; a round of tiles is small
   enough that what it keeps does not count beside what is saved for backward.
   Sums run in the order of the experts, so the bits do not depend on the
   number of threads. */
#ifndef MOE_FEED_FORWARD_H
#define MOE_FEED_FORWARD_H

#include "activation.h"
#include "dispatch.h"
#include "pool.h"

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
  MOE__TILE = 128,  /* rows of an expert that are worked on together */
  MOE__ROUND = 1024 /* rows between two barriers */
};

/* Rows first … first + n − 1 of the sorted ones, all of one expert. */
typedef struct moe__tile {
  size_t expert, first, n;
} moe__tile;

/* The tiles of all experts, in order; from call->pool. */
moe_status moe__cut_tiles(moe_call *call, const moe_feed_forward *f,
                          const moe_dispatched *d, moe__tile **tiles,
                          size_t *n);

/* Tiles from `first` on that make a round. */
size_t moe__round_of(const moe__tile *tiles, size_t n, size_t first);

/* The row of x behind a sorted one. */
static inline size_t moe__row_of(const moe_dispatched *d, size_t sorted) {
  return (size_t)d->sorted.slots[sorted] / d->width;
}

/* What the hidden layer of a tile hands on, from what is saved of it: that
   itself where it is in place, else in `room`. */
const float *moe__find_hidden(const moe_feed_forward *f, const float *z,
                              size_t n, float *room);

/* Rows of `width` floats gathered, or added where they came from: `from` holds
   those of the round that begins with tile `first`.  `weights` multiplies
   (NULL: 1). */
void moe__gather_rows(const moe_dispatched *d, const moe__tile *t, size_t width,
                      const float *from, float *to);
void moe__scatter_round(const moe_call *call, const moe_dispatched *d,
                        const moe__tile *tiles, size_t n, size_t width,
                        bool weighted, const float *from, float *to);

/* The derivative is known from the value alone, so that the value may be saved
   in the place of its argument. */
static inline bool moe__is_in_place(const moe_feed_forward *f) {
  return f->w_gate == NULL &&
         (f->activation == MOE_RELU || f->activation == MOE_TANH ||
          f->activation == MOE_SIGMOIDAL);
}

#endif
