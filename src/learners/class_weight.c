#include "class_weight.h"

double moe_class_weight_of(const moe_weights *weights, const moe_label *label) {
  for (size_t k = 0; k < weights->n; k++)
    if (moe_label_compare(&weights->labels[k], label) == 0)
      return weights->items[k];
  return 1;
}

moe_status moe_class_weight_apply(moe_call *call, const moe_weights *weights,
                                  const moe_batch *b, double *weight) {
  moe_scratch_mark mark = moe_scratch_now(call);
  double *factor;
  MOE_SCRATCH(call, factor, b->y->labels->n);
  for (size_t c = 0; c < b->y->labels->n; c++)
    factor[c] = moe_class_weight_of(weights, &b->y->labels->items[c]);
  for (size_t i = 0; i < b->x.n; i++) {
    size_t at = moe_rows_at(&b->x, i);
    weight[at] = factor[b->y->ids[at]] * moe_batch_weight(b, i);
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

void moe_class_weight_note(moe_job *job, const moe_weights *weights) {
  for (size_t k = 0; k < weights->n; k++) {
    char label[100];
    if (moe_labels_find(job->batch.y->labels, &weights->labels[k]) >= 0)
      continue;
    moe_label_print(&weights->labels[k], label, sizeof label);
    moe_job_note(job, "class_weight names %s, which is not among the classes",
                 label);
  }
}
