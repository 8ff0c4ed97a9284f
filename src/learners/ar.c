/* Autoregression: the next target from the last `order` targets and the row,
     y_t = c + Σ_i a_i y_(t−i) + b · x_t,
   and classes by the softmax of such sums over the last classes, each an
   indicator.  Learns by recursive least squares with forgetting, so that the
   coefficients follow what changes.  Of a row that comes by the target counts
   as one of the last too; where nobody tells it, what is predicted of the row
   takes its place. */
#include <math.h>
#include <string.h>

#include "sequence.h"

static const moe_param params[] = {
    MOE_P_TASK(moe_sequence_params),
    MOE_P_INT(moe_sequence_params, order, 5, 1, 10000,
              "how many of the last targets there are"),
    MOE_P_SEQUENCE,
    {0}};

/* Memory: the last targets, the latest first; of classes 1 + their number, and
   0 where there was none.  Links: the place of each class among the features,
   in the order in which they were met. */
static size_t width_of(const moe_sequence *m) {
  return m->fitted.task == MOE_REGRESSION ? m->fitted.n_outputs : 1;
}

static void open_memory(const moe_sequence_params *p, moe_sequence *m) {
  m->size = (size_t)p->order;
}

static moe_sequence_shape shape(const moe_sequence *m) {
  bool classes = m->fitted.task == MOE_CLASSIFICATION;
  return (moe_sequence_shape){.memory = m->size * width_of(m),
                              .features = m->size * m->fitted.n_outputs,
                              .links = classes ? m->fitted.n_outputs : 0};
}

static moe_status build(moe_call *call, const moe_sequence_params *p,
                        moe_sequence *m) {
  (void)call, (void)p;
  for (size_t c = 0; c < m->n_links; c++) m->links[c] = (int32_t)c;
  return MOE_OK;
}

static void show(const moe_sequence *m, const double *memory,
                 double *features) {
  size_t width = width_of(m), n = m->size * m->fitted.n_outputs;
  bool classes = m->fitted.task == MOE_CLASSIFICATION;
  memset(features, 0, n * sizeof *features);
  for (size_t i = 0; i < m->size && (int64_t)i < m->steps; i++)
    for (size_t k = 0; k < width; k++) {
      double y = memory[i * width + k];
      if (!classes)
        features[i * width + k] = moe_sequence_scaled(&m->y, k, y);
      else if (y > 0)
        features[(size_t)m->links[(size_t)y - 1] * m->size + i] = 1;
    }
}

static void take(moe_sequence *m, const double *y, int32_t id) {
  size_t width = width_of(m);
  memmove(m->memory + width, m->memory,
          (m->n_memory - width) * sizeof *m->memory);
  for (size_t k = 0; k < width; k++)
    m->memory[k] = m->fitted.task == MOE_CLASSIFICATION
                       ? (double)id + 1
                       : moe_sequence_limited(y[k]);
}

static moe_status meet(moe_call *call, moe_sequence *m, size_t position) {
  size_t n = m->n_links;
  int32_t *links = moe_resize(m->links, n + 1, sizeof *links);
  if (links == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a class");
  memmove(links + position + 1, links + position,
          (n - position) * sizeof *links);
  links[position] = (int32_t)n;
  m->links = links;
  m->n_links = n + 1;
  for (size_t i = 0; i < m->n_memory; i++)
    if (m->memory[i] > (double)position) m->memory[i]++;
  return MOE_OK;
}

static bool sound(const moe_sequence *m) {
  double most = (double)m->n_links;
  for (size_t c = 0; c < m->n_links; c++)
    if (m->links[c] < 0 || (size_t)m->links[c] >= m->n_links) return false;
  for (size_t i = 0; m->n_links > 0 && i < m->n_memory; i++)
    if (!(m->memory[i] >= 0 && m->memory[i] <= most &&
          m->memory[i] == floor(m->memory[i])))
      return false;
  return true;
}

static size_t context_window(const moe_object *o) {
  const moe_sequence *m = o->state;
  const moe_sequence_params *p = o->params;
  return 1 + (m != NULL && m->size > 0 ? m->size : (size_t)p->order);
}

static const moe_sequence_kind kind = {.open = open_memory,
                                       .shape = shape,
                                       .build = build,
                                       .show = show,
                                       .take = take,
                                       .meet = meet,
                                       .sound = sound};

MOE_SEQUENCE_VERBS(kind)

const moe_learner_type moe_ar = {
    .type = {.name = "ar",
             .family = "learner",
             .doc = "Autoregression: the next target from the last ones and "
                    "the row, by recursive least squares.",
             .params_size = sizeof(moe_sequence_params),
             .state_size = sizeof(moe_sequence),
             .params = params,
             .visit = moe_sequence_visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT | MOE_ONLINE,
    .begin = moe_stream_begin,
    .step = moe_stream_step,
    .learn = moe_stream_learn,
    .learn_one = learn_one,
    .advance = advance,
    .forget_past = moe_sequence_forget_past,
    .context_window = context_window,
    .add_class = add_class,
    .predict = moe_stream_predict,
    .predict_one = predict_one};
