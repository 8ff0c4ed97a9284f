/* How far each tree of streaming boosting is heard; and change: its gradients
   go to a detector, and where they grow, another tree learns the same in its
   shadow, and takes its place when it has done better on rows that neither had
   learned from. */
#include <math.h>

#include "sgbt.h"

enum {
  ROUNDS = 6, /* that a shadow may lose */
  LARGEST_RATIO = 10,
  SHORT_SPAN = 50, /* rows that running means look back on */
  SPAN = 1000,
  FAITH = 1 /* row that a new tree is taken to have been right on */
};

moe_detector_config moe_sgbt_detector(const moe_sgbt_state *m) {
  return (moe_detector_config){.kind = m->detector,
                               .delta = NAN,
                               .threshold = NAN,
                               .alpha = NAN,
                               .window = MOE_NO_INT};
}

moe_status moe_sgbt_plant_shadows(moe_call *call, moe_sgbt_state *m,
                                  const moe_sgbt_params *p) {
  size_t wanted = 0, trees = m->groups * m->stages;
  for (size_t t = 0; t < trees; t++) wanted += m->contest[t].rounds < 0;
  if (wanted == 0) return MOE_OK;
  MOE_TRY(moe_sgbt_reserve_runs(call, m, wanted));
  MOE_TRY(moe_sgbt_reserve_slots(call, m, wanted));
  for (size_t t = 0; t < trees; t++) {
    if (m->contest[t].rounds >= 0) continue;
    m->contest[t].rounds = 0;
    m->shadow[t] = moe_sgbt_plant(m, p, t);
  }
  return MOE_OK;
}

static void replace(moe_sgbt_state *m, size_t t) {
  moe_sgbt_fell(m, m->live[t]);
  m->live[t] = m->shadow[t];
  m->shadow[t] = -1;
  m->contest[t] = (moe_sgbt_contest){
      .trust = 1, .level = m->contest[t].level, .recent = m->contest[t].recent};
  m->replaced++;
}

static void give_up(moe_sgbt_state *m, size_t t) {
  moe_sgbt_fell(m, m->shadow[t]);
  m->shadow[t] = -1;
}

/* In rounds, each of twice as many rows as that before it: the shadow has to be
   ahead by two standard deviations, on rows that neither had learned from. */
static void compare(moe_sgbt_state *m, const moe_sgbt_params *p, size_t t,
                    const moe_sgbt_slope *slope, double weight,
                    const double *values) {
  moe_sgbt_contest *c = &m->contest[t];
  double ahead = moe_sgbt_loss(m, p, slope, values[0]) -
                 moe_sgbt_loss(m, p, slope, values[1]);
  if (!(fabs(ahead) < 1e75)) return; /* its square might not be finite */
  c->lead += weight * ahead;
  c->squares += weight * ahead * ahead;
  c->weight += weight;
  if (c->weight < ldexp((double)p->grace, (int)c->rounds)) return;
  if (c->lead > 2 * sqrt(c->squares))
    replace(m, t);
  else if (++c->rounds >= ROUNDS)
    give_up(m, t);
  c->lead = c->squares = c->weight = 0;
}

/* Gradients in units of what they were of late; only growth is a change. */
static bool has_grown(moe_sgbt_state *m, size_t t, double g) {
  moe_detector_config config = moe_sgbt_detector(m);
  double *state = m->detectors + t * m->detector_size;
  moe_sgbt_contest *c = &m->contest[t];
  double ratio = c->level > 0 ? fabs(g) / c->level : 1;
  double x = ratio < LARGEST_RATIO ? ratio : LARGEST_RATIO;
  c->level += (fabs(g) - c->level) / (c->level > 0 ? SPAN : 1);
  c->recent += (x - c->recent) / SHORT_SPAN;
  return moe_detector_update(&config, state, x) == MOE_DRIFT && c->recent > 1;
}

/* A tree is heard by the share of its answer that would have been best, judged
   by rows that it had not learned from: 1 where it is right, 0 where it knows
   nothing.  It keeps overgrown trees from adding up noise. */
void moe_sgbt_weigh(moe_sgbt_state *m, size_t t, const moe_sgbt_slope *slope,
                    double weight, double value) {
  moe_sgbt_contest *c = &m->contest[t];
  double keep = weight < SPAN ? 1 - weight / SPAN : 0, share;
  if (m->n_nodes[m->live[t]] == 1) return;
  c->along = keep * c->along - weight * slope->g * value;
  c->length = keep * c->length + weight * slope->h * value * value;
  c->tried = keep * c->tried + weight;
  share = c->length > 0 ? c->along / c->length : 1;
  share = share > 1 ? 1 : share > 0 ? share : 0;
  c->trust = (FAITH + c->tried * share) / (FAITH + c->tried);
}

void moe_sgbt_watch(moe_sgbt_state *m, const moe_sgbt_params *p, size_t t,
                    const moe_sgbt_slope *slope, double weight,
                    const double *values) {
  if (m->detector == MOE_NO_DETECTOR) return;
  if (m->shadow[t] >= 0)
    compare(m, p, t, slope, weight, values);
  else if (has_grown(m, t, slope->g))
    m->contest[t].rounds = -1;
}
