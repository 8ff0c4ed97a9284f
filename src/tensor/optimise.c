#include "optimise.h"

#include <math.h>

#include "adam.h"

const char *const moe_optimiser_choices[] = {"sgd",     "adam", "adamw",
                                             "rmsprop", "lion", NULL};

typedef struct step {
  const moe_optimise *rule;
  int64_t t;
  size_t n;
  const float *g;
  float *w, *m, *v;
} step;

static void descend(const step *s) {
  const moe_optimise *r = s->rule;
  float lr = (float)r->lr, decay = (float)r->decay, keep = (float)r->momentum;
  for (size_t i = 0; i < s->n; i++) {
    float g = s->g[i] + decay * s->w[i];
    if (keep != 0) {
      s->m[i] = s->t == 1 ? g : keep * s->m[i] + g;
      g = r->nesterov ? g + keep * s->m[i] : s->m[i];
    }
    s->w[i] -= lr * g;
  }
}

enum { BLOCK = 1024 };

/* Decay that counts in the gradient. */
static void adam(const step *s) {
  const moe_optimise *r = s->rule;
  bool coupled = r->kind == MOE_ADAM && r->decay != 0;
  const moe_adam rule = {.lr = r->lr,
                         .beta1 = r->beta1,
                         .beta2 = r->beta2,
                         .epsilon = r->epsilon,
                         .decay = coupled ? 0 : r->decay};
  if (!coupled) {
    moe_adam_step(&rule, s->t, s->g, s->n, s->w, s->m, s->v);
    return;
  }
  for (size_t first = 0; first < s->n; first += BLOCK) {
    size_t n = s->n - first < BLOCK ? s->n - first : BLOCK;
    float g[BLOCK];
    for (size_t i = 0; i < n; i++)
      g[i] = s->g[first + i] + (float)r->decay * s->w[first + i];
    moe_adam_step(&rule, s->t, g, n, s->w + first, s->m + first, s->v + first);
  }
}

static void rmsprop(const step *s) {
  const moe_optimise *r = s->rule;
  float lr = (float)r->lr, decay = (float)r->decay, keep = (float)r->momentum;
  float alpha = (float)r->alpha, epsilon = (float)r->epsilon;
  float fresh = (float)(1 - r->alpha);
  for (size_t i = 0; i < s->n; i++) {
    float g = s->g[i] + decay * s->w[i];
    s->v[i] = alpha * s->v[i] + fresh * g * g;
    float u = g / (sqrtf(s->v[i]) + epsilon);
    if (keep != 0) u = s->m[i] = keep * s->m[i] + u;
    s->w[i] -= lr * u;
  }
}

static void lion(const step *s) {
  const moe_optimise *r = s->rule;
  float lr = (float)r->lr, left = (float)(1 - r->lr * r->decay);
  float beta1 = (float)r->beta1, beta2 = (float)r->beta2;
  float fresh1 = (float)(1 - r->beta1), fresh2 = (float)(1 - r->beta2);
  for (size_t i = 0; i < s->n; i++) {
    float u = beta1 * s->m[i] + fresh1 * s->g[i];
    s->w[i] = left * s->w[i] - lr * (float)((u > 0) - (u < 0));
    s->m[i] = beta2 * s->m[i] + fresh2 * s->g[i];
  }
}

void moe_optimise_step(const moe_optimise *rule, int64_t t, const float *g,
                       size_t n, float *w, float *m, float *v) {
  const step s = {rule, t, n, g, w, m, v};
  switch (rule->kind) {
    case MOE_SGD: descend(&s); break;
    case MOE_RMSPROP: rmsprop(&s); break;
    case MOE_LION: lion(&s); break;
    default: adam(&s); break;
  }
}
