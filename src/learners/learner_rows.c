/* Learning from a stream row by row from batches: columns become what the
   learner takes, its new classes are met, and types that take single samples
   get the rows one by one. */
#include <math.h>
#include <string.h>

#include "learner.h"

enum {
  BLOCK = 1024, /* rows encoded at a time: bounds the scratch */
  WINDOW = 256  /* numbers read at a time where rows are learned from singly:
                    they stay in the cache */
};

/* -------------------------------------------------------------- row by row */

/* Rows as doubles, one after the other; some are read at a time. */
typedef struct window {
  const moe_rows *rows;
  double *x;
  size_t first, n, room;
} window;

static moe_status open_window(moe_call *call, const moe_rows *r, window *w) {
  size_t room = WINDOW / (r->d + 1) + 1;
  *w = (window){.rows = r, .room = room < r->n ? room : r->n};
  MOE_SCRATCH(call, w->x, moe_size(w->room, r->d));
  return MOE_OK;
}

static void read_window(window *w, size_t first) {
  size_t left = w->rows->n - first;
  w->first = first;
  w->n = left < w->room ? left : w->room;
  moe_rows_doubles(w->rows, first, w->n, w->x);
}

/* Row i, which is the next or one that is there already. */
static inline double *find_row(window *w, size_t i) {
  if (i == w->first + w->n) read_window(w, i);
  return w->x + (i - w->first) * w->rows->d;
}

/* Its target and weight beside it. */
static inline moe_example example_at(const moe_batch *b, size_t i,
                                     const double *x) {
  size_t at = moe_rows_at(&b->x, i);
  moe_example s = {.x = x, .weight = b->weight != NULL ? b->weight[at] : 1};
  if (b->y->ids != NULL) s.id = b->y->ids[at];
  if (b->y->values != NULL) s.y = b->y->values + at * b->y->width;
  return s;
}

/* ------------------------------------------------------------------- intake */

/* The learner's codes of a column's levels; of those that are missing or that
   it has not met: -1. */
static moe_status find_codes(moe_call *call, const moe_intake *in, size_t j,
                             const moe_column *c, int32_t **out) {
  int32_t *codes;
  MOE_SCRATCH(call, codes, c->n_levels + 1);
  *out = codes + 1; /* of the missing too: code -1 */
  codes[0] = -1;
  for (size_t k = 0; k < c->n_levels; k++)
    codes[k + 1] = moe_intake_code(in, j, c->levels[k]);
  return MOE_OK;
}

static moe_status find_all_codes(moe_call *call, const moe_intake *in,
                                 const moe_rows *x, int32_t **codes) {
  for (size_t j = 0; x->source == MOE_FROM_COLUMNS && j < x->d; j++) {
    const moe_column *c = moe_rows_column(x, j);
    if (c->numbers == NULL) MOE_TRY(find_codes(call, in, j, c, &codes[j]));
  }
  return MOE_OK;
}

/* Levels get codes when their first row is learned from, as if the rows came
   singly. */
static moe_status meet_levels(moe_call *call, moe_intake *learns,
                              const moe_rows *x, const double *raw,
                              int32_t **codes) {
  for (size_t j = 0; j < x->d; j++) {
    if (codes[j] == NULL || raw[j] < 0 || codes[j][(int)raw[j]] >= 0) continue;
    MOE_TRY(moe_intake_add(call, learns, j,
                           moe_rows_column(x, j)->levels[(int)raw[j]],
                           &codes[j][(int)raw[j]]));
  }
  return MOE_OK;
}

static double to_double(int32_t code) {
  return code < 0 ? (double)NAN : (double)code;
}

/* The codes of a table's row become the learner's own; `learned`: new levels
   get some. */
static moe_status translate_row(moe_call *call, moe_intake *in,
                                const moe_rows *x, int32_t **codes,
                                bool learned, double *row) {
  if (x->source != MOE_FROM_COLUMNS) return MOE_OK;
  if (learned) MOE_TRY(meet_levels(call, in, x, row, codes));
  for (size_t j = 0; j < x->d; j++)
    if (codes[j] != NULL) row[j] = to_double(codes[j][(int)row[j]]);
  return MOE_OK;
}

bool moe__is_encoded(const moe_object *o, const moe_rows *x) {
  return moe_learner_fitted(o)->intake.open && x->source != MOE_FROM_CSR;
}

moe_status moe__encode_rows(moe_call *call, const moe_object *o,
                            moe_object *learner, const double *weights,
                            const moe_rows *x, moe_rows *out) {
  const moe_intake *in = &moe_learner_fitted(o)->intake;
  moe_intake *learns =
      learner != NULL ? &((moe_fitted *)learner->state)->intake : NULL;
  size_t width = moe_intake_width(in);
  int32_t **codes;
  double *rows;
  window w;
  MOE_SCRATCH(call, codes, x->d);
  MOE_SCRATCH(call, rows, moe_size(x->n, width));
  MOE_TRY(open_window(call, x, &w));
  MOE_TRY(find_all_codes(call, in, x, codes));
  for (size_t i = 0; i < x->n; i++) {
    double *raw = find_row(&w, i);
    bool learned = learns != NULL && weights[i] > 0;
    MOE_TRY(translate_row(call, learns, x, codes, learned, raw));
    moe_intake_encode(in, raw, rows + i * width);
    if (learned && !in->keeps_holes) moe_intake_count(learns, raw);
  }
  *out = moe_rows_of_doubles(rows, x->n, width);
  return MOE_OK;
}

moe_status moe__encode_batch(moe_call *call, const moe_object *o,
                             moe_object *learner, const moe_batch *from,
                             moe_target *target, moe_batch *to) {
  size_t n = from->x.n, width = from->y->width;
  double *weights, *values = NULL;
  int32_t *ids = NULL;
  *to = *from;
  *target = *from->y;
  target->n = n;
  MOE_SCRATCH(call, weights, n);
  if (from->y->ids != NULL) MOE_SCRATCH(call, ids, n);
  if (from->y->values != NULL) MOE_SCRATCH(call, values, moe_size(n, width));
  for (size_t i = 0; i < n; i++) {
    size_t at = moe_rows_at(&from->x, i);
    weights[i] = moe_batch_weight(from, i);
    if (ids != NULL) ids[i] = from->y->ids[at];
    if (values != NULL)
      memcpy(values + i * width, from->y->values + at * width,
             width * sizeof *values);
  }
  target->ids = ids;
  target->values = values;
  to->y = target;
  to->weight = weights;
  return moe__encode_rows(call, o, learner, weights, &from->x, &to->x);
}

/* --------------------------------------------------------------- whole rows */

static moe_status learn_encoded(moe_call *call, moe_object *o,
                                const moe_batch *run) {
  moe_batch encoded;
  moe_target target;
  MOE_TRY(moe__encode_batch(call, o, o, run, &target, &encoded));
  return moe_learner_type_of(o)->learn(call, o, &encoded);
}

/* The rows one after the other, in types that take single samples. */
static moe_status learn_singly(moe_call *call, moe_object *o,
                               const moe_batch *run) {
  moe_intake *in = &((moe_fitted *)o->state)->intake;
  moe_scratch_mark mark = moe_scratch_now(call);
  bool mixed = run->x.source == MOE_FROM_COLUMNS;
  int32_t **codes;
  window w;
  MOE_SCRATCH(call, codes, run->x.d);
  MOE_TRY(open_window(call, &run->x, &w));
  MOE_TRY(find_all_codes(call, in, &run->x, codes));
  for (size_t i = 0; i < run->x.n; i++) {
    double *x = find_row(&w, i);
    moe_example s = example_at(run, i, x);
    if (mixed)
      MOE_TRY(translate_row(call, in, &run->x, codes, s.weight > 0, x));
    s.norm = moe_example_of(x, run->x.d).norm;
    MOE_TRY(s.weight > 0 ? moe__learn_one(call, o, &s)
                         : moe__advance(call, o, &s));
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* A row of weight 0 comes by, and is not learned from. */
static int64_t count_learned(const moe_batch *run) {
  int64_t n = 0;
  for (size_t i = 0; i < run->x.n; i++) n += moe_batch_weight(run, i) > 0;
  return n;
}

/* Rows of classes that the object has met. */
static moe_status learn_run(moe_call *call, moe_object *o,
                            const moe_batch *run) {
  moe_fitted *f = o->state;
  bool as_is = !moe__is_encoded(o, &run->x);
  size_t block = as_is ? run->x.n : BLOCK;
  if (!as_is && moe_learner_type_of(o)->learn_one != NULL)
    return learn_singly(call, o, run);
  for (size_t first = 0; first < run->x.n; first += block) {
    size_t n = run->x.n - first < block ? run->x.n - first : block;
    moe_scratch_mark mark = moe_scratch_now(call);
    moe_batch part = *run;
    part.x = moe_rows_range(&run->x, first, n);
    MOE_TRY(as_is ? moe_learner_type_of(o)->learn(call, o, &part)
                  : learn_encoded(call, o, &part));
    f->n_seen += count_learned(&part);
    moe_scratch_drop(call, mark);
  }
  return MOE_OK;
}

moe_status moe_learner_add_label(moe_call *call, moe_object *o,
                                 const moe_label *label, int32_t *id) {
  moe_fitted *f = o->state;
  ptrdiff_t at;
  MOE_TRY(moe_labels_add(call, &f->labels, label, &at));
  if (at >= 0) {
    moe_status status = moe_learner_type_of(o)->add_class(call, o, (size_t)at);
    if (status != MOE_OK) {
      moe_labels_remove(&f->labels, (size_t)at);
      return status;
    }
    f->n_outputs++;
  }
  *id = (int32_t)(at >= 0 ? at : moe_labels_find(&f->labels, label));
  return MOE_OK;
}

/* The batch's ids in terms of the object's own labels, -1 where it has not met
   the label yet. */
static void translate(const moe_object *o, const moe_target *y, int32_t *ids) {
  const moe_fitted *f = o->state;
  for (size_t i = 0; i < y->n; i++)
    ids[i] = (int32_t)moe_labels_find(&f->labels, &y->labels->items[y->ids[i]]);
}

/* Rows until the next label that the object has not met. */
static size_t count_known(const moe_batch *b, const int32_t *ids,
                          size_t first) {
  size_t n = 0;
  while (first + n < b->x.n && ids[moe_rows_at(&b->x, first + n)] >= 0) n++;
  return n;
}

/* Classes are met when their first row comes, as if the rows came singly. */
static moe_status learn_classes(moe_call *call, moe_object *o,
                                const moe_batch *batch) {
  const moe_fitted *f = o->state;
  moe_target target = *batch->y;
  moe_batch run = *batch;
  int32_t *ids, id;
  MOE_SCRATCH(call, ids, target.n);
  translate(o, batch->y, ids);
  target.ids = ids;
  target.labels = &f->labels;
  run.y = &target;
  for (size_t first = 0; first < batch->x.n; first += run.x.n) {
    run.x = moe_rows_range(&batch->x, first, count_known(batch, ids, first));
    if (run.x.n > 0) {
      MOE_TRY(learn_run(call, o, &run));
    } else {
      size_t at = moe_rows_at(&batch->x, first);
      MOE_TRY(moe_learner_add_label(
          call, o, &batch->y->labels->items[batch->y->ids[at]], &id));
      translate(o, batch->y, ids);
    }
  }
  return MOE_OK;
}

static moe_status learn_rows(moe_call *call, moe_object *o,
                             const moe_batch *batch) {
  moe_fitted *f = o->state;
  moe_batch own = *batch;
  if (f->task != batch->y->task ||
      (f->task != MOE_CLASSIFICATION && f->n_outputs != batch->y->width))
    return moe_fail(call, MOE_EARG,
                    "%s has learned other targets so far (reset forgets them)",
                    o->type->name);
  MOE_TRY(moe_rows_follow(call, &own.x, &f->schema));
  MOE_TRY(moe__check_rows(call, o, &own.x));
  moe_object_use_alone(o, 1);
  moe_status status = f->task == MOE_CLASSIFICATION
                          ? learn_classes(call, o, &own)
                          : learn_run(call, o, &own);
  moe_object_use_alone(o, -1);
  return status;
}

moe_status moe__open_stream(moe_call *call, moe_object *o) {
  const moe_learner_type *type = moe_learner_type_of(o);
  return type->open != NULL ? type->open(call, o) : MOE_OK;
}

moe_status moe_learner_learn(moe_call *call, moe_object *o,
                             const moe_batch *batch) {
  bool fresh = o->state == NULL;
  MOE_TRY(moe__check_online(call, o));
  MOE_TRY(moe__check_batch(call, o, batch, !fresh));
  if (fresh) MOE_TRY(moe__check_first_rows(call, o, &batch->x, true));
  MOE_TRY(moe_object_check_idle(call, o, true));
  if (fresh) MOE_TRY(moe_state_new(call, o->type, &o->state));
  moe_status status =
      fresh ? moe__new_fitted(call, o, batch, true, o->state) : MOE_OK;
  if (status == MOE_OK && fresh) status = moe__open_stream(call, o);
  if (status == MOE_OK) status = learn_rows(call, o, batch);
  if (status != MOE_OK && fresh) {
    moe_state_free(o->type, o->state);
    o->state = NULL;
  }
  return status;
}

/* ------------------------------------------------------ types made of samples
 */

moe_status moe_stream_learn(moe_call *call, moe_object *o,
                            const moe_batch *batch) {
  const moe_learner_type *type = moe_learner_type_of(o);
  moe_scratch_mark mark = moe_scratch_now(call);
  window w;
  MOE_TRY(open_window(call, &batch->x, &w));
  for (size_t i = 0; i < batch->x.n; i++) {
    moe_example s = example_at(batch, i, find_row(&w, i));
    s.norm = moe_example_of(s.x, batch->x.d).norm;
    if (s.weight > 0)
      MOE_TRY(type->learn_one(call, o, &s));
    else if (type->advance != NULL)
      MOE_TRY(type->advance(call, o, &s));
  }
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe_stream_predict(moe_call *call, const moe_object *o,
                              const moe_rows *x, double *out) {
  const moe_fitted *f = o->state;
  moe_scratch_mark mark = moe_scratch_now(call);
  window w;
  MOE_TRY(open_window(call, x, &w));
  for (size_t i = 0; i < x->n; i++, out += f->n_outputs)
    MOE_TRY(moe_learner_type_of(o)->predict_one(call, o, find_row(&w, i), out));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

moe_status moe_stream_begin(moe_call *call, moe_job *job) {
  (void)call;
  ((moe_fitted *)job->state)->n_seen = 0;
  return MOE_OK;
}

/* The rows gone through so far, those of weight 0 too, say where to go on. */
moe_status moe_stream_step(moe_call *call, moe_job *job) {
  moe_fitted *f = job->state;
  moe_object aside = {.type = job->object->type,
                      .refs = 1,
                      .depth = job->object->depth,
                      .params = job->object->params,
                      .state = job->state};
  size_t n = job->batch.x.n;
  while ((size_t)f->n_seen < n) {
    size_t first = (size_t)f->n_seen;
    moe_batch part = job->batch;
    part.x = moe_rows_range(&job->batch.x, first,
                            n - first < BLOCK ? n - first : BLOCK);
    MOE_TRY(learn_run(call, &aside, &part));
    f->n_seen = (int64_t)(first + part.x.n);
    job->usable = job->usable || count_learned(&part) > 0;
    if (moe_call_pausing(call)) break;
  }
  job->done = (size_t)f->n_seen == n;
  return MOE_OK;
}
