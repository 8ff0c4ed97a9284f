/* Lines by the plain rule (one number, its squared error, implicit or sgd
   steps, no penalty: online_rule.h), many of which see the same sample in a
   mixture.  There a call for each of them would cost more than what it does, so
   all are asked and taught in one run, compiled for each instruction set. */
#include "online_rule.h"
#include "vector_kernels.h"

/* Squares of what is within these limits are finite. */
static const double FARTHEST_SQUARED = 1e300;

/* Whether it sees a whole sample as it comes, and has an answer. */
MOE_KERNEL bool is_open(const moe_fitted *f) {
  return f->n_seen > 0 && f->n_outputs == 1 && !f->intake.spreads;
}

MOE_KERNEL double answer(const moe_affine *a, const double *x) {
  return moe__say(moe__dot(a->weights, x, a->fitted.n_features), a->left,
                  *a->bias);
}

MOE_KERNEL double find_length(const moe_rule_params *p, double weight,
                              double norm) {
  double free = p->lr * weight;
  return p->step == MOE_STEP_IMPLICIT ? 1 / (1 / free + (1 + norm)) : free;
}

/* A step that would not be finite is not taken. */
MOE_KERNEL void learn(moe_online *o, const moe_rule_params *p, const double *x,
                      double norm, double weight, double error) {
  moe_affine *a = &o->affine;
  double change = -find_length(p, weight, norm) * error;
  o->rows++;
  if (!(change * change * (1 + norm) < FARTHEST_SQUARED)) return;
  if (p->intercept) *a->bias += change;
  moe__axpy(a->left == 1 ? change : change / a->left, x, a->weights,
            a->fitted.n_features);
}

/* As moe__learn_one counts it. */
MOE_KERNEL void count(moe_fitted *f, const double *x) {
  moe_intake *in = &f->intake;
  f->n_seen++;
  if (in->open && !in->keeps_holes)
    moe__average(x, 1 / ++in->rows, in->mean, in->n);
}

MOE_KERNEL bool answer_all(const moe_siblings *all, const moe_example *s,
                           double *out) {
  for (size_t i = 0; i < all->n; i++) {
    int32_t e = all->which[i];
    const moe_affine *a = all->objects[e]->state;
    if (!is_open(&a->fitted)) return false;
    out[e] = answer(a, s->x);
  }
  return true;
}

MOE_KERNEL void learn_all(const moe_siblings *all, const moe_example *s,
                          const double *weights, const double *answers) {
  for (size_t i = 0; i < all->n; i++) {
    int32_t e = all->which[i];
    moe_object *object = all->objects[e];
    moe_online *o = object->state;
    if (!(weights[e] > 0)) continue;
    learn(o, object->params, s->x, s->norm, weights[e], answers[e] - *s->y);
    count(&o->affine.fitted, s->x);
  }
}

typedef struct kernels {
  double (*answer)(const moe_affine *, const double *);
  void (*learn)(moe_online *, const moe_rule_params *, const double *, double,
                double, double);
  bool (*answer_all)(const moe_siblings *, const moe_example *, double *);
  void (*learn_all)(const moe_siblings *, const moe_example *, const double *,
                    const double *);
} kernels;

#define COMPILE_FOR(NAME, TARGET)                                              \
  TARGET static double answer_##NAME(const moe_affine *a, const double *x) {   \
    return answer(a, x);                                                       \
  }                                                                            \
  TARGET static void learn_##NAME(moe_online *o, const moe_rule_params *p,     \
                                  const double *x, double norm, double weight, \
                                  double error) {                              \
    learn(o, p, x, norm, weight, error);                                       \
  }                                                                            \
  TARGET static bool answer_all_##NAME(const moe_siblings *all,                \
                                       const moe_example *s, double *out) {    \
    return answer_all(all, s, out);                                            \
  }                                                                            \
  TARGET static void learn_all_##NAME(                                         \
      const moe_siblings *all, const moe_example *s, const double *weights,    \
      const double *answers) {                                                 \
    learn_all(all, s, weights, answers);                                       \
  }                                                                            \
  static const kernels NAME = {answer_##NAME, learn_##NAME, answer_all_##NAME, \
                               learn_all_##NAME};

MOE_COMPILE_KERNELS

void moe_online_learn_plain(moe_online *o, const moe_rule_params *p,
                            const moe_example *s) {
  const kernels *k = best();
  double norm = moe_example_norm(s, o->affine.fitted.n_features);
  double z = s->answer != NULL ? *s->answer : k->answer(&o->affine, s->x);
  k->learn(o, p, s->x, norm, s->weight, z - *s->y);
}

bool moe_online_predict_each(const moe_siblings *all, const moe_example *s,
                             double *out) {
  return best()->answer_all(all, s, out);
}

void moe_online_learn_each(const moe_siblings *all, const moe_example *s,
                           const double *weights, const double *answers) {
  best()->learn_all(all, s, weights, answers);
}
