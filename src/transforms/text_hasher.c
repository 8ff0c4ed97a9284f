/* Turns columns of strings into one sparse row of hashed word and character
   n-grams (terms.h says which, and how they are hashed): counts, weighted by
     idf = ln((1 + rows) / (1 + rows with the bucket)) + 1
   and divided by the row's length.  A feature of one column is another one
   than the same feature of another column, and the order of columns does not
   matter. */
#include <math.h>

#include "terms.h"
#include "transform.h"

typedef struct hasher_params {
  moe_texts columns;
  moe_reals words, chars;
  int64_t buckets;
  bool lowercase, binary, signed_counts, tfidf, norm, pass_numeric, sparse;
} hasher_params;

typedef struct hasher {
  moe_shaped shaped;
  moe_term_rules rules;
  int64_t binary, norm, pass_numeric;
  float *idf; /* one a bucket; NULL without tfidf */
  size_t n_idf;
} hasher;

static const moe_param params[] = {
    MOE_P_LIST(hasher_params, columns, MOE_TEXTS, 0, 0,
               "the nominal columns to use, the others are left out; absent: "
               "all"),
    MOE_P_LIST(hasher_params, words, MOE_INTS, 1, MOE_LONGEST_NGRAM,
               "lengths of word n-grams, {1, 2} for instance; {}: none; "
               "absent: single words"),
    MOE_P_LIST(hasher_params, chars, MOE_INTS, 1, MOE_LONGEST_NGRAM,
               "lengths of character n-grams within words, {3, 5} for "
               "instance; absent: none"),
    MOE_P_INT(hasher_params, buckets, 1 << 18, 1, 1 << 24,
              "columns that the features are hashed into"),
    MOE_P_FLAG(hasher_params, lowercase, true,
               "whether ASCII letters are taken as small"),
    MOE_P_FLAG(hasher_params, binary, false,
               "whether a feature counts once in a row, however often it is "
               "there"),
    {"signed", MOE_FLAG, offsetof(hasher_params, signed_counts), false, 0, 1, 0,
     0, 0,
     "whether half of the features count negatively, so that what shares a "
     "bucket cancels on average"},
    MOE_P_FLAG(hasher_params, tfidf, true,
               "whether features count less the more rows have them"),
    MOE_P_FLAG(hasher_params, norm, true,
               "whether each row is divided by its Euclidean length"),
    MOE_P_FLAG(hasher_params, pass_numeric, false,
               "whether numeric columns follow the buckets, as they are"),
    MOE_P_FLAG(hasher_params, sparse, true,
               "whether the result is sparse; dense suits few buckets"),
    {0}};

/* The parameters that a fitted hasher remembers, and their largest values. */
static const struct {
  const char *name;
  size_t offset;
  int64_t most;
} remembered[] = {
    {"words_from", offsetof(hasher, rules.words_from), MOE_LONGEST_NGRAM},
    {"words_to", offsetof(hasher, rules.words_to), MOE_LONGEST_NGRAM},
    {"chars_from", offsetof(hasher, rules.chars_from), MOE_LONGEST_NGRAM},
    {"chars_to", offsetof(hasher, rules.chars_to), MOE_LONGEST_NGRAM},
    {"buckets", offsetof(hasher, rules.buckets), 1 << 24},
    {"lowercase", offsetof(hasher, rules.lowercase), 1},
    {"signed", offsetof(hasher, rules.sign), 1},
    {"binary", offsetof(hasher, binary), 1},
    {"norm", offsetof(hasher, norm), 1},
    {"pass_numeric", offsetof(hasher, pass_numeric), 1}};
enum { N_REMEMBERED = sizeof remembered / sizeof *remembered };

static moe_status visit(void *state, moe_visitor *v) {
  hasher *s = state;
  MOE_TRY(moe_shaped_visit(&s->shaped, v));
  for (size_t i = 0; i < N_REMEMBERED; i++)
    MOE_TRY(moe_visit_scalar(v, remembered[i].name, MOE_I64,
                             (char *)s + remembered[i].offset));
  return moe_visit_growing(v, "idf", MOE_F32, &s->idf, &s->n_idf);
}

static size_t count_role(const hasher *s, moe_role role) {
  size_t n = 0;
  for (size_t j = 0; j < s->shaped.input.n; j++)
    n += s->shaped.roles[j] == role;
  return n;
}

static size_t total_width(const hasher *s) {
  size_t numbers = s->pass_numeric ? count_role(s, MOE_ROLE_NUMBER) : 0;
  return (size_t)s->rules.buckets + numbers;
}

static moe_status check(moe_call *call, const moe_object *o) {
  const hasher *s = o->state;
  bool good = s->rules.buckets >= 1;
  MOE_TRY(moe_shaped_check(call, o));
  for (size_t i = 0; i < N_REMEMBERED; i++) {
    int64_t x = *(const int64_t *)((const char *)s + remembered[i].offset);
    good = good && x >= 0 && x <= remembered[i].most;
  }
  good = good && s->shaped.output.n == total_width(s) &&
         (s->idf == NULL || s->n_idf == (size_t)s->rules.buckets);
  for (size_t k = 0; good && s->idf != NULL && k < s->n_idf; k++)
    good = s->idf[k] > 0 && isfinite(s->idf[k]);
  if (good) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT, "text_hasher: its numbers make no sense");
}

/* ------------------------------------------------------------------ reading */

enum { TEXT_COST = 255 /* of reading a row, beside that of seeing a number */ };

/* The terms of a level. */
typedef struct segment {
  bool read;
  size_t start, n;
} segment;

/* Reads rows.  Every text of the table is read once, and only if it occurs,
   unless there are more texts than rows. */
typedef struct reader {
  const hasher *hasher;
  const moe_rows *x;
  const moe_column **nominal; /* one a column; NULL: of no use */
  uint64_t *seeds;
  segment **known;  /* one a column, for each of its codes, or NULL */
  moe_terms levels; /* the terms of those read so far */
  moe_terms row;    /* the terms of the row in hand */
} reader;

static uint64_t seed_of(const hasher *s, size_t column) {
  const moe_texts *names = &s->shaped.input.names;
  return moe_terms_seed(names->n > 0 ? names->items[column] : "");
}

/* To be ended also when this fails. */
static moe_status begin_reading(moe_call *call, const hasher *s,
                                const moe_rows *x, size_t rows, reader *out) {
  *out = (reader){.hasher = s, .x = x};
  MOE_TRY(moe_new_array(call, &out->nominal, x->d, sizeof *out->nominal));
  MOE_TRY(moe_new_array(call, &out->seeds, x->d, sizeof *out->seeds));
  MOE_TRY(moe_new_array(call, &out->known, x->d, sizeof *out->known));
  for (size_t j = 0; j < x->d; j++) {
    if (s->shaped.roles[j] != MOE_ROLE_TEXT) continue;
    out->seeds[j] = seed_of(s, j);
    const moe_column *c = out->nominal[j] = moe_cells_nominal(x, j);
    if (c != NULL && c->n_levels <= rows)
      MOE_TRY(moe_new_array(call, &out->known[j], c->n_levels,
                            sizeof *out->known[j]));
  }
  return MOE_OK;
}

static void end_reading(reader *r) {
  for (size_t j = 0; r->known != NULL && j < r->x->d; j++)
    moe_free(r->known[j]);
  void *const owned[] = {r->nominal, r->seeds, r->known, r->levels.items,
                         r->row.items};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) moe_free(owned[i]);
}

static moe_status read_text(moe_call *call, const reader *r, size_t column,
                            int32_t code, moe_terms *out) {
  return moe_terms_add_text(call, out, &r->hasher->rules, r->seeds[column],
                            r->nominal[column]->levels[code]);
}

static moe_status read_level(moe_call *call, reader *r, size_t column,
                             int32_t code) {
  segment *s = &r->known[column][code];
  s->start = r->levels.n;
  MOE_TRY(read_text(call, r, column, code, &r->levels));
  moe_terms_fold(&r->levels, s->start);
  s->n = r->levels.n - s->start;
  s->read = true;
  return MOE_OK;
}

static moe_status read_cell(moe_call *call, reader *r, size_t column,
                            int32_t code) {
  if (r->known[column] == NULL)
    return read_text(call, r, column, code, &r->row);
  const segment *s = &r->known[column][code];
  if (!s->read) MOE_TRY(read_level(call, r, column, code));
  return moe_terms_append(call, &r->row, r->levels.items + s->start, s->n);
}

/* Fills r->row with the terms of a row, ordered by bucket. */
static moe_status read_row(moe_call *call, reader *r, size_t row) {
  r->row.n = 0;
  for (size_t j = 0; j < r->x->d; j++) {
    int32_t code = moe_cells_code(r->x, r->nominal[j], row);
    if (code >= 0) MOE_TRY(read_cell(call, r, j, code));
  }
  moe_terms_fold(&r->row, 0);
  for (size_t k = 0; r->hasher->binary && k < r->row.n; k++)
    r->row.items[k].count = r->row.items[k].count > 0 ? 1 : -1;
  return MOE_OK;
}

/* ------------------------------------------------------------------ fitting */

/* {a, b}, {a} for {a, a}, {} for none; `otherwise` where it is absent. */
static moe_status find_range(moe_call *call, const char *name,
                             const moe_reals *given, int64_t otherwise,
                             int64_t *from, int64_t *to) {
  *from = *to = given->items == NULL ? otherwise : 0;
  if (given->n == 0) return MOE_OK;
  *from = (int64_t)given->items[0];
  *to = (int64_t)given->items[given->n - 1];
  if (given->n <= 2 && *from <= *to) return MOE_OK;
  return moe_fail(call, MOE_EPARAM,
                  "text_hasher: '%s' must be {shortest, longest}, {length} or "
                  "{}",
                  name);
}

static moe_status remember(moe_call *call, const hasher_params *p, hasher *s) {
  moe_term_rules *r = &s->rules;
  MOE_TRY(
      find_range(call, "words", &p->words, 1, &r->words_from, &r->words_to));
  MOE_TRY(
      find_range(call, "chars", &p->chars, 0, &r->chars_from, &r->chars_to));
  r->buckets = p->buckets;
  r->lowercase = p->lowercase;
  r->sign = p->signed_counts;
  s->binary = p->binary;
  s->norm = p->norm;
  s->pass_numeric = p->pass_numeric;
  if (r->words_to == 0 && r->chars_to == 0)
    return moe_fail(call, MOE_EPARAM,
                    "text_hasher: neither 'words' nor 'chars' are wanted");
  return MOE_OK;
}

typedef struct hasher_work {
  int32_t *rows_with; /* one a bucket */
  reader reader;
} hasher_work;

static moe_status begin(moe_call *call, moe_transform_job *job) {
  hasher_work *w = job->work;
  hasher *s = job->state;
  s->n_idf = (size_t)s->rules.buckets;
  MOE_TRY(moe_new_array(call, &s->idf, s->n_idf, sizeof *s->idf));
  MOE_TRY(moe_new_array(call, &w->rows_with, s->n_idf, sizeof *w->rows_with));
  return begin_reading(call, s, &job->x, job->x.n, &w->reader);
}

static float weigh(size_t rows, int32_t rows_with) {
  return (float)(log((1 + (double)rows) / (1 + (double)rows_with)) + 1);
}

/* Most buckets have no row. */
static void weigh_buckets(moe_transform_job *job) {
  const hasher_work *w = job->work;
  hasher *s = job->state;
  float unseen = weigh(job->x.n, 0);
  for (size_t k = 0; k < s->n_idf; k++)
    s->idf[k] = w->rows_with[k] > 0 ? weigh(job->x.n, w->rows_with[k]) : unseen;
}

/* A pass that counts the rows with each bucket. */
static moe_status count_rows(moe_call *call, moe_transform_job *job) {
  hasher_work *w = job->work;
  reader *r = &w->reader;
  if (w->rows_with == NULL) MOE_TRY(begin(call, job));
  moe_span span = moe_transform_next(job, TEXT_COST);
  for (size_t i = span.first; i < span.first + span.n; i++) {
    MOE_TRY(read_row(call, r, i));
    for (size_t k = 0; k < r->row.n; k++)
      w->rows_with[r->row.items[k].bucket]++;
  }
  if (job->passes > 0) weigh_buckets(job);
  return MOE_OK;
}

static moe_status step(moe_call *call, moe_transform_job *job) {
  const hasher_params *p = job->object->params;
  hasher *s = job->state;
  MOE_TRY(remember(call, p, s));
  if (count_role(s, MOE_ROLE_TEXT) == 0)
    return moe_fail(call, MOE_EDATA,
                    "text_hasher needs a column of strings, and there is none");
  if (p->tfidf) MOE_TRY(count_rows(call, job));
  job->done = !p->tfidf || job->passes > 0;
  s->shaped.output.n = total_width(s);
  return MOE_OK;
}

static void end(moe_transform_job *job) {
  hasher_work *w = job->work;
  moe_free(w->rows_with);
  end_reading(&w->reader);
}

/* ----------------------------------------------------------------- applying */

static double weight_of(const hasher *s, moe_term term) {
  double weight = s->idf != NULL ? (double)s->idf[term.bucket] : 1;
  return (double)term.count * weight;
}

static double length_of(const hasher *s, const moe_terms *row) {
  double sum = 0;
  for (size_t k = 0; k < row->n; k++) {
    double x = weight_of(s, row->items[k]);
    sum += x * x;
  }
  return s->norm && sum > 0 ? sqrt(sum) : 1;
}

static moe_status set_terms(moe_call *call, reader *r, size_t row,
                            moe_frame *out) {
  const hasher *s = r->hasher;
  double length;
  MOE_TRY(read_row(call, r, row));
  length = length_of(s, &r->row);
  for (size_t k = 0; k < r->row.n; k++)
    MOE_TRY(moe_frame_set(call, out, row, (size_t)r->row.items[k].bucket,
                          (float)(weight_of(s, r->row.items[k]) / length)));
  return MOE_OK;
}

static moe_status set_numbers(moe_call *call, const reader *r, size_t row,
                              double *numbers, moe_frame *out) {
  const hasher *s = r->hasher;
  size_t column = (size_t)s->rules.buckets;
  moe_cells_read(r->x, row, 1, numbers);
  for (size_t j = 0; j < r->x->d; j++)
    if (s->shaped.roles[j] == MOE_ROLE_NUMBER)
      MOE_TRY(moe_frame_set(call, out, row, column++, moe_narrow(numbers[j])));
  return MOE_OK;
}

static moe_status set_rows(moe_call *call, reader *r, moe_span span,
                           moe_frame *out) {
  double *numbers;
  MOE_SCRATCH(call, numbers, r->x->d);
  for (size_t i = span.first; i < span.first + span.n; i++) {
    MOE_TRY(set_terms(call, r, i, out));
    if (r->hasher->pass_numeric) MOE_TRY(set_numbers(call, r, i, numbers, out));
  }
  return MOE_OK;
}

static moe_status apply(moe_call *call, const moe_object *o, const void *state,
                        const moe_rows *x, moe_span span, moe_frame *out) {
  reader r;
  (void)o;
  moe_status status = begin_reading(call, state, x, span.n, &r);
  if (status == MOE_OK) status = set_rows(call, &r, span, out);
  end_reading(&r);
  return status;
}

const moe_transform_type moe_text_hasher = {
    .type = {.name = "text_hasher",
             .family = "transform",
             .doc = "Turns columns of strings into sparse counts of hashed "
                    "words and character n-grams, with TF-IDF weights.",
             .params_size = sizeof(hasher_params),
             .state_size = sizeof(hasher),
             .params = params,
             .visit = visit,
             .check = check},
    .takes = MOE_TAKES_TEXT,
    .work_size = sizeof(hasher_work),
    .step = step,
    .end = end,
    .apply = apply};
