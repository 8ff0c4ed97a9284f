#include "grove.h"

#include "threads.h"

/* A grower and the tree that it is at. */
typedef struct moe_grove_slot {
  moe_grower *grower;
  size_t tree;
  bool busy;
} slot;

moe_status moe_grove_new(moe_call *call, moe_grove *v) {
  return moe_new_array(call, &v->trees, v->n_trees, sizeof *v->trees);
}

static void free_tree(moe_grove_tree *t) {
  moe_tree_arrays_free(&t->tree);
  moe_free(t->gains);
  t->gains = NULL;
}

void moe_grove_free(moe_grove *v) {
  for (size_t k = 0; k < v->n_slots; k++) moe_grower_free(v->slots[k].grower);
  moe_free(v->slots);
  for (size_t k = 0; v->trees != NULL && k < v->n_trees; k++)
    free_tree(&v->trees[k]);
  moe_free(v->trees);
}

void moe_grove_restart(moe_grove *v) {
  v->next = 0;
  v->n_taken = 0;
}

/* The grower's tree, copied to its size. */
static bool keep(moe_grove *v, slot *s) {
  moe_grove_tree *kept = &v->trees[s->tree];
  moe_tree_arrays *t = &kept->tree;
  size_t row = v->plan->width * sizeof(double);
  const double *gains;
  s->busy = false;
  if (!moe_grower_result(s->grower, t, &gains)) {
    *t = (moe_tree_arrays){0};
    return false;
  }
  t->nodes = moe_copy(t->nodes, t->n_nodes, sizeof *t->nodes);
  t->missing = moe_copy(t->missing, t->n_nodes, sizeof *t->missing);
  t->share = moe_copy(t->share, t->n_nodes, sizeof *t->share);
  t->values = moe_copy(t->values, t->n_values, row);
  kept->gains = moe_copy(gains, v->plan->bins->d, sizeof *gains);
  return t->nodes != NULL && t->missing != NULL && t->share != NULL &&
         t->values != NULL && kept->gains != NULL;
}

static bool take(moe_grove *v, slot *s) {
  if (s->busy) return true;
  s->tree = atomic_fetch_add(&v->next, 1);
  return s->tree < v->n_trees;
}

typedef struct growing {
  moe_call *call;
  moe_grove *v;
} growing;

/* Grows tree after tree until there are no more, or the call is pausing; then
   the slot keeps its tree for the next time. */
static void grow(void *context, size_t index, int worker) {
  const growing *w = context;
  moe_grove *v = w->v;
  slot *s = &v->slots[index];
  while (!v->short_of_memory && take(v, s)) {
    if (!s->busy) v->start(v->context, w->call, s->grower, s->tree);
    s->busy = true;
    while (!moe_grower_step(s->grower, w->call))
      if (moe_call_pausing(w->call)) return;
    v->finish(v->context, w->call, s->grower, s->tree, worker == 0);
    if (!keep(v, s)) v->short_of_memory = true;
    if (moe_call_pausing(w->call)) return;
  }
}

/* Slots for the threads that there are now; earlier ones may hold a tree. */
static moe_status add_slots(moe_call *call, moe_grove *v) {
  size_t wanted = (size_t)moe_parallel_width(call, v->n_trees);
  slot *slots;
  if (v->n_slots >= wanted) return MOE_OK;
  slots = moe_resize(v->slots, wanted, sizeof *slots);
  if (slots == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory to grow trees");
  v->slots = slots;
  while (v->n_slots < wanted) {
    slot *s = &v->slots[v->n_slots];
    *s = (slot){0};
    MOE_TRY(moe_grower_new(call, v->plan, &s->grower));
    v->n_slots++;
  }
  return MOE_OK;
}

moe_status moe_grove_step(moe_call *call, moe_grove *v) {
  growing w = {call, v};
  MOE_TRY(add_slots(call, v));
  moe_parallel(call, v->n_slots, grow, &w);
  if (!v->short_of_memory) return MOE_OK;
  return moe_fail(call, MOE_ENOMEM, "not enough memory to grow a tree");
}

bool moe_grove_is_grown(const moe_grove *v) {
  for (size_t k = v->n_taken; k < v->n_trees; k++)
    if (v->trees[k].gains == NULL) return false;
  return true;
}

moe_grove_tree *moe_grove_next(const moe_grove *v) {
  moe_grove_tree *next = &v->trees[v->n_taken];
  return moe_grove_is_done(v) || next->gains == NULL ? NULL : next;
}

void moe_grove_drop(moe_grove *v) { free_tree(&v->trees[v->n_taken++]); }
