/* The type `imported`, and how what a file says becomes one. */
#include "imported.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "json.h"

typedef struct imported {
  moe_boosted boosted;
  moe_texts source; /* the program, and its name of the objective */
} imported;

/* Arrays of this length are made on the file's word alone. */
enum { MOST_COLUMNS = 1 << 24 };

/* ----------------------------------------------------------------- drafting */

moe_status moe__numbers_add(moe_call *call, moe_numbers *list, double x) {
  MOE_TRY(moe_reserve(call, &list->items, &list->room, list->n, 1,
                      sizeof *list->items));
  list->items[list->n++] = x;
  return MOE_OK;
}

moe_status moe__draft_add_name(moe_call *call, moe_draft *d, char *name) {
  if (!moe_utf8_valid(name))
    return moe_fail(call, MOE_EFORMAT, "the name of column %zu is not UTF-8",
                    d->names.n + 1);
  MOE_TRY(moe_reserve(call, &d->names.items, &d->names_room, d->names.n, 1,
                      sizeof *d->names.items));
  d->names.items[d->names.n++] = name;
  return MOE_OK;
}

static void free_draft(moe_draft *d) {
  for (size_t k = 0; k < d->n_trees; k++) {
    moe_tree_arrays_free(&d->trees[k].tree);
    moe_free(d->trees[k].gain);
  }
  moe_free(d->trees);
  moe_free(d->base.items);
  moe_free(d->names.items);
  moe_free(d->score.items);
}

/* A node that hangs from a parent already placed. */
typedef struct hanging {
  size_t node;
  int32_t parent; /* -1: the root */
  int side;
} hanging;

/* A written tree on its way to arrays in which children follow parents. */
typedef struct placing {
  moe_call *call;
  const moe_written_tree *from;
  moe_draft_tree *to;
  size_t number; /* of the tree, for messages */
  bool *met;
  hanging *waiting;
  size_t n_waiting;
} placing;

static moe_status refuse_node(const placing *p, size_t node, const char *what) {
  return moe_fail(p->call, MOE_EFORMAT, "tree %zu: node %zu %s", p->number + 1,
                  node + 1, what);
}

static bool is_index(double x, size_t n) {
  return x >= 0 && x < (double)n && x == floor(x);
}

static moe_status hang(placing *p, size_t parent, int32_t place, int side,
                       double child) {
  if (!is_index(child, p->from->n) || p->met[(size_t)child])
    return refuse_node(p, parent,
                       "leads to a node that is not there, or that another "
                       "leads to");
  p->met[(size_t)child] = true;
  p->waiting[p->n_waiting++] = (hanging){(size_t)child, place, side};
  return MOE_OK;
}

/* The largest float that goes left.  What x must be below was a float before it
   was written. */
static float round_threshold(double threshold, bool below) {
  if (fabs(threshold) > FLT_MAX) return threshold > 0 ? INFINITY : -INFINITY;
  float t = (float)threshold;
  return below || (double)t > threshold ? nextafterf(t, -INFINITY) : t;
}

static moe_status place_leaf(placing *p, size_t node, int32_t place) {
  moe_tree_arrays *t = &p->to->tree;
  t->values[t->n_values] = p->from->value[node];
  t->nodes[place] =
      (moe_tree_node){.value = (int32_t)t->n_values++, .child = {place, place}};
  return MOE_OK;
}

static moe_status place_split(placing *p, size_t node, int32_t place) {
  const moe_written_tree *w = p->from;
  moe_tree_arrays *t = &p->to->tree;
  if (!is_index(w->feature[node], MOST_COLUMNS))
    return refuse_node(p, node, "splits by a column that cannot be");
  MOE_TRY(hang(p, node, place, 1, w->right[node]));
  MOE_TRY(hang(p, node, place, 0, w->left[node]));
  t->nodes[place] = (moe_tree_node){
      .threshold = round_threshold(w->threshold[node], w->below),
      .feature = (int32_t)w->feature[node]};
  t->missing[place] = w->missing_left[node] == 0;
  t->share[place] = moe_tree_share(w->weight[(size_t)w->left[node]],
                                   w->weight[(size_t)w->right[node]]);
  p->to->gain[place] = fmax(w->gain[node], 0);
  return MOE_OK;
}

static moe_status place_all(placing *p) {
  moe_tree_arrays *t = &p->to->tree;
  p->met[0] = true;
  p->waiting[p->n_waiting++] = (hanging){0, -1, 0};
  while (p->n_waiting > 0) {
    hanging h = p->waiting[--p->n_waiting];
    int32_t place = (int32_t)t->n_nodes++;
    bool leaf = p->from->left[h.node] < 0 && p->from->right[h.node] < 0;
    if (h.parent >= 0) t->nodes[h.parent].child[h.side] = place;
    MOE_TRY((leaf ? place_leaf : place_split)(p, h.node, place));
  }
  return MOE_OK;
}

static moe_status new_tree(moe_call *call, moe_draft_tree *t, size_t n) {
  MOE_TRY(moe_new_array(call, &t->tree.nodes, n, sizeof *t->tree.nodes));
  MOE_TRY(moe_new_array(call, &t->tree.missing, n, sizeof *t->tree.missing));
  MOE_TRY(moe_new_array(call, &t->tree.share, n, sizeof *t->tree.share));
  MOE_TRY(moe_new_array(call, &t->tree.values, n, sizeof *t->tree.values));
  return moe_new_array(call, &t->gain, n, sizeof *t->gain);
}

moe_status moe__draft_add_tree(moe_call *call, moe_draft *d,
                               const moe_written_tree *t) {
  moe_scratch_mark mark = moe_scratch_now(call);
  placing p = {.call = call, .from = t, .number = d->n_trees};
  if (t->n == 0 || t->n > INT32_MAX)
    return moe_fail(call, MOE_EFORMAT, "tree %zu has %zu nodes", d->n_trees + 1,
                    t->n);
  MOE_TRY(moe_reserve(call, &d->trees, &d->trees_room, d->n_trees, 1,
                      sizeof *d->trees));
  p.to = &d->trees[d->n_trees++];
  *p.to = (moe_draft_tree){0};
  MOE_TRY(new_tree(call, p.to, t->n));
  MOE_SCRATCH(call, p.met, t->n);
  MOE_SCRATCH(call, p.waiting, t->n);
  MOE_TRY(place_all(&p));
  moe_scratch_drop(call, mark);
  return MOE_OK;
}

/* ----------------------------------------------------- from draft to model */

static moe_status check_draft(moe_call *call, const moe_draft *d) {
  if (d->n_features == 0 || d->n_features > MOST_COLUMNS)
    return moe_fail(call, MOE_EFORMAT, "a model of %zu columns", d->n_features);
  if (d->n_trees == 0) return moe_fail(call, MOE_EFORMAT, "it has no trees");
  if (d->n_scores == 0 || d->n_scores > d->n_trees)
    return moe_fail(call, MOE_EFORMAT, "%zu trees are too few for %zu scores",
                    d->n_trees, d->n_scores);
  if (d->base.n != 1 && d->base.n != d->n_scores)
    return moe_fail(call, MOE_EFORMAT, "%zu base scores for %zu scores",
                    d->base.n, d->n_scores);
  if (d->names.n != 0 && d->names.n != d->n_features)
    return moe_fail(call, MOE_EFORMAT, "%zu columns have %zu names",
                    d->n_features, d->names.n);
  if (d->score.n != d->n_trees)
    return moe_fail(call, MOE_EFORMAT,
                    "of %zu trees it is told what %zu add to", d->n_trees,
                    d->score.n);
  for (size_t k = 0; k < d->n_trees; k++)
    if (!is_index(d->score.items[k], d->n_scores))
      return moe_fail(call, MOE_EFORMAT, "tree %zu adds to score %.17g of %zu",
                      k + 1, d->score.items[k] + 1, d->n_scores);
  return MOE_OK;
}

/* Two classes have one score. */
static size_t count_classes(const moe_draft *d) {
  return d->link == MOE_LINK_LOGISTIC ? 2 : d->n_scores;
}

/* The classes in their order; place[k] is where the file's class k went. */
static moe_status name_classes(moe_call *call, const moe_draft *d,
                               const moe_labels *classes, moe_labels *out,
                               size_t *place) {
  size_t n = count_classes(d);
  if (classes != NULL && classes->n != n)
    return moe_fail(call, MOE_EARG, "the model has %zu classes, not %zu", n,
                    classes->n);
  for (size_t k = 0; k < n; k++) {
    const moe_label place_in_file = {MOE_L_NUMBER, (double)k, NULL};
    const moe_label *label =
        classes != NULL ? &classes->items[k] : &place_in_file;
    ptrdiff_t at;
    MOE_TRY(moe_labels_add(call, out, label, &at));
    if (at < 0) return moe_fail(call, MOE_EARG, "two classes have one name");
  }
  for (size_t k = 0; k < n; k++)
    place[k] =
        classes != NULL ? (size_t)moe_labels_find(out, &classes->items[k]) : k;
  return MOE_OK;
}

static moe_status fill_fitted(moe_call *call, const moe_draft *d,
                              const moe_labels *classes, moe_fitted *f,
                              size_t *place) {
  const moe_schema schema = {.n = d->n_features, .names = d->names};
  bool classifies = d->task == MOE_CLASSIFICATION;
  f->task = d->task;
  f->n_features = d->n_features;
  f->n_outputs = classifies ? count_classes(d) : d->n_scores;
  MOE_TRY(moe_schema_copy(call, &schema, &f->schema));
  if (classifies) return name_classes(call, d, classes, &f->labels, place);
  if (classes != NULL)
    return moe_fail(call, MOE_EARG,
                    "the model predicts numbers (%s): it has no classes",
                    d->objective);
  for (size_t k = 0; k < d->n_scores; k++) place[k] = k;
  return MOE_OK;
}

/* Each column's share in what the tree's splits gained, if that is known: in
   time for its nodes, however many columns the file tells of. */
static void add_gains(const moe_draft_tree *t, moe_tree_model *m) {
  const moe_tree_node *nodes = t->tree.nodes;
  double sum = 0;
  for (size_t i = 0; i < t->tree.n_nodes; i++) sum += t->gain[i];
  if (!(sum > 0 && isfinite(sum))) return;
  for (size_t i = 0; i < t->tree.n_nodes; i++)
    if ((size_t)nodes[i].feature < m->fitted.n_features)
      m->gains[nodes[i].feature] += t->gain[i] / sum;
}

static moe_status add_trees(moe_call *call, const moe_draft *d, double factor,
                            const size_t *place, moe_boosted *b) {
  for (size_t k = 0; k < d->n_trees; k++) {
    const moe_draft_tree *from = &d->trees[k];
    for (size_t i = 0; i < from->tree.n_values; i++)
      from->tree.values[i] *= factor;
    MOE_TRY(moe_boosted_append(call, b, &from->tree,
                               place[(size_t)d->score.items[k]]));
    add_gains(from, &b->model);
  }
  moe_trees_trim(&b->model.trees);
  return MOE_OK;
}

static moe_status fill_source(moe_call *call, const moe_draft *d,
                              moe_texts *to) {
  const char *texts[] = {d->program, d->objective};
  MOE_TRY(moe_new_array(call, &to->items, 2, sizeof *to->items));
  for (; to->n < 2; to->n++) {
    to->items[to->n] = moe_copy_text(texts[to->n]);
    if (to->items[to->n] == NULL)
      return moe_fail(call, MOE_ENOMEM, "not enough memory for a text");
  }
  return MOE_OK;
}

/* Where the second of two classes comes first, its score is the opposite. */
static moe_status fill_state(moe_call *call, const moe_draft *d,
                             const moe_labels *classes, imported *m) {
  moe_boosted *b = &m->boosted;
  size_t *place;
  double factor = d->factor;
  MOE_SCRATCH(call, place, d->n_scores + 1);
  MOE_TRY(fill_fitted(call, d, classes, &b->model.fitted, place));
  MOE_TRY(fill_source(call, d, &m->source));
  MOE_TRY(moe_boosted_new(call, b, d->link, 1));
  if (b->n_scores < b->model.fitted.n_outputs && place[0] == 1)
    factor = -factor;
  if (b->n_scores < b->model.fitted.n_outputs) place[0] = 0;
  for (size_t k = 0; k < b->n_scores; k++)
    b->base[place[k]] =
        d->base.items[d->base.n == 1 ? 0 : k] * (factor / d->factor);
  return add_trees(call, d, factor, place, b);
}

static moe_status check(moe_call *call, const moe_object *o);

static moe_status new_model(moe_call *call, const moe_draft *d,
                            const moe_labels *classes, moe_object *o) {
  MOE_TRY(check_draft(call, d));
  MOE_TRY(moe_state_new(call, o->type, &o->state));
  MOE_TRY(fill_state(call, d, classes, o->state));
  MOE_TRY(moe_fitted_check(call, o));
  return check(call, o);
}

/* The readers' errors say where; this puts the file's name before them. */
static moe_status blame(moe_call *call, const char *what, moe_status status) {
  char text[sizeof call->error.text];
  size_t n = strlen(what);
  memcpy(text, call->error.text, sizeof text);
  if (status != MOE_EFORMAT || strncmp(text, what, n) == 0) return status;
  return moe_fail(call, status, "%.160s: %.300s", what, text);
}

moe_status moe_imported_read(moe_call *call, const char *what, char *bytes,
                             size_t size, const moe_labels *classes,
                             moe_object **out) {
  moe_draft d = {.factor = 1};
  bool json = bytes[strspn(bytes, " \t\r\n")] == '{';
  moe_object *o;
  *out = NULL;
  MOE_TRY(moe_object_new(call, &moe_imported.type, &o));
  moe_status status = (json ? moe__read_xgboost : moe__read_lightgbm)(
      call, what, bytes, size, &d);
  if (status == MOE_OK) status = new_model(call, &d, classes, o);
  free_draft(&d);
  if (status == MOE_OK)
    *out = o;
  else
    moe_object_release(o);
  return blame(call, what, status);
}

/* ----------------------------------------------------------------- the type */

static moe_status visit(void *state, moe_visitor *v) {
  imported *m = state;
  MOE_TRY(moe_boosted_visit(&m->boosted, v));
  return moe_visit_texts(v, "source", &m->source);
}

static moe_status check(moe_call *call, const moe_object *o) {
  const imported *m = o->state;
  if (m->source.n != 2)
    return moe_fail(call, MOE_EFORMAT, "imported: its source is not told");
  return moe_boosted_check(call, o);
}

static moe_task choose_task(const moe_object *o, bool labelled) {
  const moe_fitted *f = o->state;
  if (f != NULL) return f->task;
  return labelled ? MOE_CLASSIFICATION : MOE_REGRESSION;
}

static moe_status tell(const moe_object *o, size_t which, moe_value *out) {
  const imported *m = o->state;
  *out = moe_text_value(m->source.items[which]);
  return MOE_OK;
}

static moe_status tell_program(moe_call *call, const moe_object *o,
                               moe_value *out) {
  (void)call;
  return tell(o, 0, out);
}

static moe_status tell_objective(moe_call *call, const moe_object *o,
                                 moe_value *out) {
  (void)call;
  return tell(o, 1, out);
}

static const moe_param params[] = {{0}};

static const moe_gauge gauges[] = {
    {"program", "what trained it", tell_program},
    {"objective", "what it was trained for, in that program's words",
     tell_objective},
    MOE_TREE_GAUGES,
    {0}};

const moe_learner_type moe_imported = {
    .type = {.name = "imported",
             .family = "learner",
             .doc = "Boosted trees that XGBoost or LightGBM trained and saved: "
                    "moe.experts.import(path) reads them.",
             .params_size = 1,
             .state_size = sizeof(imported),
             .params = params,
             .gauges = gauges,
             .visit = visit,
             .check = check},
    .traits = MOE_CLASSIFIES | MOE_REGRESSES | MOE_MULTI_OUTPUT |
              MOE_TAKES_MISSING | MOE_TAKES_SPARSE | MOE_TRAINED,
    .choose_task = choose_task,
    .contribute = moe_boosted_contribute,
    .predict = moe_boosted_predict};
