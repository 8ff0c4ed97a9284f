#include "running_scale.h"

#include <math.h>

#include "vector.h"

/* Weight beyond which rows still count; distances beyond which they count no
   more than that, so that no square overflows. */
#define MOST_ROWS 1e300
#define FARTHEST 1e150

moe_status moe_running_prepare(moe_call *call, moe_running *s, size_t d) {
  if (s->mean == NULL)
    MOE_TRY(moe_new_array(call, &s->mean, d, sizeof *s->mean));
  if (s->variance == NULL)
    MOE_TRY(moe_new_array(call, &s->variance, d, sizeof *s->variance));
  if (s->factor == NULL)
    MOE_TRY(moe_new_array(call, &s->factor, d, sizeof *s->factor));
  return MOE_OK;
}

moe_status moe_running_visit(moe_running *s, moe_visitor *v, size_t d) {
  MOE_TRY(moe_visit_scalar(v, "scaled_rows", MOE_F64, &s->rows));
  MOE_TRY(moe_visit_array(v, "scale_mean", MOE_F64, &s->mean, d));
  MOE_TRY(moe_visit_array(v, "scale_variance", MOE_F64, &s->variance, d));
  return moe_visit_array(v, "scale_factor", MOE_F64, &s->factor, d);
}

bool moe_running_is_sound(const moe_running *s, size_t d) {
  bool sound = s->rows >= 0 && s->rows <= MOST_ROWS;
  for (size_t j = 0; j < d; j++)
    sound = sound && isfinite(s->mean[j]) && isfinite(s->variance[j]) &&
            s->variance[j] >= 0 && isfinite(s->factor[j]) && s->factor[j] >= 0;
  return sound;
}

void moe_running_count(moe_running *s, const double *x, double weight,
                       size_t d) {
  double rows = s->rows + weight;
  s->rows = rows < MOST_ROWS ? rows : MOST_ROWS;
  double share = weight < s->rows ? weight / s->rows : 1;
  moe_track(x, share, FARTHEST, s->mean, s->variance, s->factor, d);
}

void moe_running_apply(const moe_running *s, const double *x, size_t d,
                       double *out) {
  for (size_t j = 0; j < d; j++) out[j] = (x[j] - s->mean[j]) * s->factor[j];
}
