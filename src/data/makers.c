#include "makers.h"

#include <stdio.h>
#include <string.h>

const moe_maker *const moe_makers[] = {&moe_classification_maker,
                                       &moe_moons_maker, &moe_regions_maker,
                                       &moe_regression_maker, NULL};

moe_status moe__draft_open(moe_draft *d, int64_t n, int64_t features,
                           int64_t seed, bool classes) {
  double **x;
  d->n = (size_t)n;
  moe_random_seed(&d->random, seed == MOE_NO_INT ? 0 : (uint64_t)seed);
  MOE_SCRATCH(d->call, x, (size_t)features);
  d->d = (size_t)features;
  d->x = x;
  for (size_t j = 0; j < d->d; j++)
    MOE_TRY(moe_new_array(d->call, &x[j], d->n, sizeof **x));
  if (!classes) return moe_new_array(d->call, &d->y, d->n, sizeof *d->y);
  return moe_new_array(d->call, &d->ids, d->n, sizeof *d->ids);
}

moe_status moe__draft_classes(moe_call *call, int32_t *ids, size_t n,
                              const char *const *names, const char *prefix,
                              moe_series **out) {
  moe_levels levels = {0};
  moe_status status = MOE_OK;
  for (size_t i = 0; i < n && status == MOE_OK; i++) {
    char numbered[24];
    const char *text = names != NULL ? names[ids[i]] : numbered;
    snprintf(numbered, sizeof numbered, "%s%d", prefix, ids[i] + 1);
    status = moe_levels_code_of(call, &levels, text, strlen(text), &ids[i]);
  }
  if (status == MOE_OK) return moe_series_of_codes(call, ids, n, &levels, out);
  moe_levels_free(&levels);
  moe_free(ids);
  return status;
}

double moe__draw_between(moe_random *r, double low, double high) {
  return low + (high - low) * moe_random_unit(r);
}

static void free_draft(moe_draft *d) {
  for (size_t j = 0; j < d->d; j++) moe_free(d->x[j]);
  moe_free(d->y);
  moe_free(d->ids);
  moe_series_release(d->truth);
}

static moe_status finish_target(moe_draft *d, moe_series **out) {
  double *y = d->y;
  int32_t *ids = d->ids;
  d->y = NULL;
  d->ids = NULL;
  if (y != NULL) return moe_series_of_numbers(d->call, y, d->n, out);
  return moe__draft_classes(d->call, ids, d->n, d->class_names, "c", out);
}

static moe_status finish_series(moe_draft *d, moe_series **series) {
  for (size_t j = 0; j < d->d; j++) {
    double *x = d->x[j];
    d->x[j] = NULL;
    MOE_TRY(moe_series_of_numbers(d->call, x, d->n, &series[j]));
  }
  return finish_target(d, &series[d->d]);
}

static moe_status name_columns(moe_draft *d, moe_texts *names) {
  enum { SIZE = 24 };
  char *room;
  names->n = d->d + 1;
  MOE_SCRATCH(d->call, names->items, names->n);
  MOE_SCRATCH(d->call, room, moe_size(d->d, SIZE));
  for (size_t j = 0; j < d->d; j++, room += SIZE) {
    snprintf(room, SIZE, "x%zu", j + 1);
    names->items[j] = room;
  }
  names->items[d->d] = (char *)d->target;
  return MOE_OK;
}

static moe_status finish(moe_draft *d, moe_table **out) {
  moe_series **series;
  moe_texts names;
  moe_status status;
  MOE_SCRATCH(d->call, series, d->d + 1);
  MOE_TRY(name_columns(d, &names));
  status = finish_series(d, series);
  if (status == MOE_OK)
    return moe_table_new(d->call, &names, series, d->n, (ptrdiff_t)d->d, out);
  for (size_t j = 0; j <= d->d; j++) moe_series_release(series[j]);
  return status;
}

static moe_status finish_truth(moe_draft *d, moe_table **out) {
  char *name = (char *)d->truth_name;
  moe_texts names = {&name, 1};
  moe_series *truth = d->truth;
  d->truth = NULL;
  if (truth == NULL) return MOE_OK;
  return moe_table_new(d->call, &names, &truth, d->n_truth, MOE_NO_TARGET, out);
}

moe_status moe_make(moe_call *call, const moe_object *options, moe_table **out,
                    moe_table **truth) {
  const moe_maker *maker = (const moe_maker *)options->type;
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_draft d = {.call = call};
  moe_status status;
  *out = *truth = NULL;
  status = maker->fill(&d, options->params);
  if (status == MOE_OK) status = finish_truth(&d, truth);
  if (status == MOE_OK) status = finish(&d, out);
  free_draft(&d);
  moe_scratch_drop(call, mark);
  if (status == MOE_OK) return MOE_OK;
  moe_table_release(*truth);
  *truth = NULL;
  return status;
}
