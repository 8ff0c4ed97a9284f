/* What info tells of a trained mixture: a number of each expert, by its name.
 */
#include "mixture.h"

static moe_status name_numbers(moe_call *call, const moe_object *o,
                               const double *numbers, moe_value *out) {
  const moe_mixture *m = o->state;
  const moe_children *experts = &moe_mixture_params_of(o)->experts;
  size_t n = m->n_experts < experts->n ? m->n_experts : experts->n;
  MOE_TRY(moe_map_value(call, n, out));
  for (size_t e = 0; e < n; e++) {
    out->keys[e] = moe_text_value(experts->names[e]);
    out->items[e] = moe_number_value(numbers[e]);
  }
  return MOE_OK;
}

/* Means of a stream, as if they had not begun at 0. */
static moe_status name_means(moe_call *call, const moe_object *o,
                             const double *means, moe_value *out) {
  const moe_mixture *m = o->state;
  double *numbers;
  MOE_SCRATCH(call, numbers, m->n_experts);
  for (size_t e = 0; e < m->n_experts; e++)
    numbers[e] = means[e] / moe__stream_cover(o);
  return name_numbers(call, o, numbers, out);
}

/* What was counted when it was fitted, or of a stream what runs with it. */
static moe_status read_load(moe_call *call, const moe_object *o,
                            moe_value *out) {
  const moe_mixture *m = o->state;
  return m->stream.open ? name_means(call, o, m->stream.run.load, out)
                        : name_numbers(call, o, m->load, out);
}

static moe_status read_importance(moe_call *call, const moe_object *o,
                                  moe_value *out) {
  const moe_mixture *m = o->state;
  moe_stream settled;
  if (!m->stream.open) return name_numbers(call, o, m->importance, out);
  MOE_TRY(moe__stream_settled(call, &m->stream, &settled));
  return name_means(call, o, settled.run.used, out);
}

static moe_status read_noise(moe_call *call, const moe_object *o,
                             moe_value *out) {
  return name_numbers(call, o, ((const moe_mixture *)o->state)->noise, out);
}

static moe_status read_sharpness(moe_call *call, const moe_object *o,
                                 moe_value *out) {
  return name_numbers(call, o, ((const moe_mixture *)o->state)->sharpness, out);
}

static moe_status read_samples(moe_call *call, const moe_object *o,
                               moe_value *out) {
  const moe_mixture *m = o->state;
  double *numbers;
  MOE_SCRATCH(call, numbers, m->n_experts);
  for (size_t e = 0; e < m->n_experts; e++) numbers[e] = (double)m->samples[e];
  return name_numbers(call, o, numbers, out);
}

static moe_status read_bias(moe_call *call, const moe_object *o,
                            moe_value *out) {
  return name_numbers(call, o, ((const moe_mixture *)o->state)->bias, out);
}

const moe_gauge moe__mixture_gauges[] = {
    {"load", "share of the selections on the training rows", read_load},
    {"importance", "share of the gate's probability there", read_importance},
    {"samples", "rows that each expert was trained on", read_samples},
    {"noise", "standard deviation of each expert's unseen errors (regression)",
     read_noise},
    {"sharpness", "the power of each expert's probabilities (classification)",
     read_sharpness},
    {"bias",
     "what is added to each expert's scores in the selection, where "
     "`balance` says so",
     read_bias},
    {0}};
