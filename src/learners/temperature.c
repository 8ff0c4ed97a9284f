#include "temperature.h"

#include <math.h>

#include "vector.h"

/* What is kept of the information; what there is before any sample; how far log
   t may go, and by how much at once; the largest differences that count. */
#define KEPT 0.999
#define PRIOR 1
#define FARTHEST 10
#define FASTEST 0.5
#define WIDEST 50

moe_status moe_temperature_visit(moe_temperature *t, moe_visitor *v) {
  MOE_TRY(moe_visit_scalar(v, "temperature", MOE_F64, &t->factor));
  return moe_visit_scalar(v, "temperature_information", MOE_F64,
                          &t->information);
}

bool moe_temperature_is_sound(const moe_temperature *t) {
  return t->factor >= 0 && isfinite(t->factor) && t->information >= 0 &&
         isfinite(t->information);
}

static double within(double x, double most) {
  return x < -most ? -most : x > most ? most : x;
}

static double factor_of(const moe_temperature *t) {
  return t->factor > 0 ? t->factor : 1;
}

void moe_temperature_apply(const moe_temperature *t, double *z, size_t m) {
  double factor = factor_of(t);
  for (size_t c = 0; c < m; c++) z[c] *= factor;
  moe_softmax(z, 1, m);
}

void moe_temperature_learn(moe_temperature *t, const double *z, const double *p,
                           size_t m, size_t y, double weight) {
  double factor = factor_of(t), slope = 0, square = 0;
  double share = weight < 1 ? weight : 1;
  for (size_t c = 0; c < m; c++) {
    double above = within(factor * (z[c] - z[y]), WIDEST);
    slope += p[c] * above;
    square += p[c] * above * above;
  }
  t->information = KEPT * t->information + share * (square - slope * slope);
  if (t->information < 0) t->information = 0;
  double step = within(share * slope / (t->information + PRIOR), FASTEST);
  t->factor = exp(within(log(factor) - step, FARTHEST));
}
