#include "lbfgs.h"

#include <math.h>
#include <string.h>

#include "vector.h"

static const double DESCENT = 1e-4; /* of what the slope promises, at least */
static const double FLATTER = 0.9;  /* the slope that may be left, at most */
static const double NOISE = 1e-14;  /* of a value: rounding in long sums */
enum { MOST_TRIES = 40 };

moe_status moe_lbfgs_new(moe_call *call, size_t n, double scale,
                         double tolerance, moe_lbfgs *out) {
  const size_t size = sizeof(double);
  double **arrays[] = {&out->x, &out->gradient, &out->best, &out->best_gradient,
                       &out->direction};
  *out = (moe_lbfgs){.n = n, .scale = scale, .tolerance = tolerance};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    MOE_TRY(moe_new_array(call, arrays[i], n, size));
  MOE_TRY(
      moe_new_array(call, &out->steps, moe_size(MOE_LBFGS_MEMORY, n), size));
  return moe_new_array(call, &out->turns, moe_size(MOE_LBFGS_MEMORY, n), size);
}

void moe_lbfgs_free(moe_lbfgs *o) {
  double *arrays[] = {o->x,         o->gradient, o->best, o->best_gradient,
                      o->direction, o->steps,    o->turns};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    moe_free(arrays[i]);
  *o = (moe_lbfgs){0};
}

void moe_lbfgs_restart(moe_lbfgs *o, double scale) {
  memset(o->x, 0, o->n * sizeof *o->x);
  o->scale = scale;
  o->stored = 0;
  o->iterations = 0;
  o->started = false;
}

/* The two loops: direction = −H gradient, with H from the stored pairs, newest
   first on the way in. */
static void find_direction(moe_lbfgs *o) {
  double share[MOE_LBFGS_MEMORY], *d = o->direction;
  memcpy(d, o->best_gradient, o->n * sizeof *d);
  for (size_t k = 0; k < o->stored; k++) {
    size_t at = (o->newest + MOE_LBFGS_MEMORY - k) % MOE_LBFGS_MEMORY;
    share[at] = o->curvature[at] * moe_dot(o->steps + at * o->n, d, o->n);
    moe_axpy(-share[at], o->turns + at * o->n, d, o->n);
  }
  moe_scale(-o->scale, d, o->n);
  for (size_t k = o->stored; k-- > 0;) {
    size_t at = (o->newest + MOE_LBFGS_MEMORY - k) % MOE_LBFGS_MEMORY;
    double turn = o->curvature[at] * moe_dot(o->turns + at * o->n, d, o->n);
    moe_axpy(-share[at] - turn, o->steps + at * o->n, d, o->n);
  }
}

static void look_at(moe_lbfgs *o, double length) {
  o->length = length;
  memcpy(o->x, o->best, o->n * sizeof *o->x);
  moe_axpy(length, o->direction, o->x, o->n);
}

static moe_lbfgs_state start_search(moe_lbfgs *o) {
  find_direction(o);
  o->slope = moe_dot(o->best_gradient, o->direction, o->n);
  if (!(o->slope < 0)) return MOE_LBFGS_STUCK;
  o->low = 0;
  o->low_value = o->value;
  o->low_slope = o->slope;
  o->high = INFINITY;
  o->tries = 0;
  look_at(o, 1);
  return MOE_LBFGS_RUNNING;
}

/* Remembers how the gradient turned over the step just made. */
static void store_pair(moe_lbfgs *o) {
  size_t at = o->stored == 0 ? 0 : (o->newest + 1) % MOE_LBFGS_MEMORY;
  double *step = o->steps + at * o->n, *turn = o->turns + at * o->n;
  for (size_t j = 0; j < o->n; j++) {
    step[j] = o->x[j] - o->best[j];
    turn[j] = o->gradient[j] - o->best_gradient[j];
  }
  double along = moe_dot(step, turn, o->n), size = moe_dot(turn, turn, o->n);
  if (!(along > 0) || !isfinite(1 / along)) return;
  o->curvature[at] = 1 / along;
  o->scale = along / size;
  o->newest = at;
  if (o->stored < MOE_LBFGS_MEMORY) o->stored++;
}

static moe_lbfgs_state accept(moe_lbfgs *o, double value) {
  if (o->started) {
    store_pair(o);
    o->iterations++;
  }
  o->started = true;
  o->value = value;
  memcpy(o->best, o->x, o->n * sizeof *o->x);
  memcpy(o->best_gradient, o->gradient, o->n * sizeof *o->x);
  if (moe_max_abs(o->gradient, o->n) <= o->tolerance)
    return MOE_LBFGS_CONVERGED;
  return start_search(o);
}

/* Where the cubic through both ends of the bracket is least, kept away from
   the ends. */
static double between(const moe_lbfgs *o) {
  double width = o->high - o->low, share = 0.5;
  double rise = 3 * (o->low_value - o->high_value) / width;
  double a = rise + o->low_slope + o->high_slope;
  double root = a * a - o->low_slope * o->high_slope;
  if (isfinite(o->high_value) && root >= 0) {
    root = sqrt(root);
    share = 1 - (o->high_slope + root - a) /
                    (o->high_slope - o->low_slope + 2 * root);
  }
  if (!(share > 0.1)) share = 0.1;
  if (share > 0.9) share = 0.9;
  return o->low + share * width;
}

/* Without a way on, the pairs are forgotten once; then this is the end. */
static moe_lbfgs_state give_up(moe_lbfgs *o) {
  if (o->stored == 0) return MOE_LBFGS_STUCK;
  o->stored = 0;
  return start_search(o);
}

/* Value and slope seen at `length` narrow the bracket (weak Wolfe conditions),
   or are good enough. */
static moe_lbfgs_state search(moe_lbfgs *o, double value) {
  double slope = moe_dot(o->gradient, o->direction, o->n);
  bool lower = value <= o->value + DESCENT * o->length * o->slope;
  bool level = value <= o->value + NOISE * fabs(o->value) &&
               slope <= -(1 - 2 * DESCENT) * o->slope;
  if (!isfinite(slope)) lower = level = false;
  if (!lower && !level) {
    o->high = o->length;
    o->high_value = isfinite(slope) ? value : INFINITY;
    o->high_slope = slope;
  } else if (slope < FLATTER * o->slope) {
    o->low = o->length;
    o->low_value = value;
    o->low_slope = slope;
  } else {
    return accept(o, value);
  }
  if (++o->tries >= MOST_TRIES) return give_up(o);
  look_at(o, isfinite(o->high) ? between(o) : 3 * o->length);
  return MOE_LBFGS_RUNNING;
}

moe_lbfgs_state moe_lbfgs_tell(moe_lbfgs *o, double value) {
  return o->started ? search(o, value) : accept(o, value);
}
