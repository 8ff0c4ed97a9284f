#include "tape.h"

#include <math.h>
#include <string.h>

#include "memory.h"

/* -------------------------------------------------------------------- records
 */

/* Record, inputs, versions and the operation's own bytes in one block. */
static moe_record *new_record(moe_call *call, const moe_operation *operation,
                              size_t n) {
  size_t inputs = n * sizeof(moe_tensor *);
  size_t versions = ((n + 1) * sizeof(uint32_t) + 15) / 16 * 16;
  size_t head = (sizeof(moe_record) + inputs + 15) / 16 * 16;
  size_t own = operation != NULL ? operation->size : 0;
  moe_record *r = moe_pool_take(call->pool, head + versions + own, true);
  if (r == NULL) {
    moe_fail(call, MOE_ENOMEM, "not enough memory to record an operation");
    return NULL;
  }
  r->operation = operation;
  r->n_inputs = n;
  r->inputs = (moe_tensor **)(void *)(r + 1);
  r->versions = (uint32_t *)(void *)((char *)r + head);
  r->own = (char *)r + head + versions;
  return r;
}

static void drop_inputs(moe_record *r, moe_tensor **dying) {
  if (r->operation != NULL && r->operation->release != NULL)
    r->operation->release(r);
  for (size_t i = 0; i < r->n_inputs; i++)
    moe__tensor_drop(r->inputs[i], dying);
  r->n_inputs = 0;
}

void moe__record_free(moe_record *r, moe_tensor **dying) {
  if (r == NULL) return;
  if (!r->spent) drop_inputs(r, dying);
  moe__tensor_drop(r->gradient, dying);
  moe_pool_give(r);
}

moe_status moe_tape_require(moe_call *call, moe_tensor *t, bool required) {
  if (t->dtype != MOE_F32)
    return moe_fail(call, MOE_EARG, "an index tensor (int32) has no gradient");
  if (t->record != NULL && t->record->operation != NULL)
    return moe_fail(call, MOE_ESTATE,
                    "it is the result of recorded operations; t:detach() gives "
                    "a tensor that is not");
  if (required == (t->record != NULL)) return MOE_OK;
  if (required) {
    t->record = new_record(call, NULL, 0);
    return t->record != NULL ? MOE_OK : MOE_ENOMEM;
  }
  moe_tensor_release(t->record->gradient);
  moe_pool_give(t->record);
  t->record = NULL;
  return MOE_OK;
}

void moe_tape_retain(moe_tensor *t) {
  if (t->record != NULL) t->record->retained = true;
}

void moe_tape_forget(moe_tensor *t) {
  if (t->record == NULL) return;
  moe_tensor_release(t->record->gradient);
  t->record->gradient = NULL;
}

moe_status moe_tape_detach(moe_call *call, const moe_tensor *t,
                           moe_tensor **out) {
  return moe_tensor_reshape(call, t, t->ndim, t->shape, out);
}

moe_status moe_tape_recall(moe_call *call, const moe_holder *holder,
                           moe_tensor **out) {
  static const moe_operation earlier = {.name = "a scalar"};
  static const int64_t shape[MOE_MAX_DIMS] = {1, 1, 1, 1};
  MOE_TRY(moe_tensor_make(call, MOE_F32, holder->ndim, shape, out));
  *(*out)->f = holder->value;
  (*out)->record = new_record(call, &earlier, 0);
  if ((*out)->record == NULL) {
    moe_tensor_release(*out);
    *out = NULL;
    return MOE_ENOMEM;
  }
  (*out)->record->spent = true;
  return MOE_OK;
}

static bool is_wanted(size_t n, moe_tensor *const *inputs) {
  for (size_t i = 0; i < n; i++)
    if (inputs[i]->record != NULL) return true;
  return false;
}

static moe_record *record(moe_call *call, const moe_operation *operation,
                          moe_tensor *out, size_t n,
                          moe_tensor *const *inputs) {
  moe_record *r = new_record(call, operation, n);
  if (r == NULL) return NULL;
  for (size_t i = 0; i < n; i++) {
    r->inputs[i] = moe_tensor_retain(inputs[i]);
    r->versions[i] = inputs[i]->storage->version;
    if (inputs[i]->record != NULL && inputs[i]->record->depth >= r->depth)
      r->depth = inputs[i]->record->depth + 1;
  }
  r->versions[n] = out->storage->version;
  return out->record = r;
}

moe_status moe_tape_record(moe_call *call, const moe_operation *operation,
                           moe_tensor **out, size_t n,
                           moe_tensor *const *inputs, void *own) {
  void *bytes = NULL;
  moe_status status = MOE_OK;
  if (call->recording && is_wanted(n, inputs)) {
    moe_record *r = record(call, operation, *out, n, inputs);
    if (r != NULL)
      bytes = r->own;
    else
      status = MOE_ENOMEM;
  }
  if (own != NULL) memcpy(own, &bytes, sizeof bytes);
  if (status == MOE_OK) return MOE_OK;
  moe_tensor_release(*out);
  *out = NULL;
  return status;
}

/* ------------------------------------------------------------------ gradients
 */

moe_status moe_tape_gradient(moe_call *call, moe_record *r, size_t i,
                             float **out, bool *fresh) {
  moe_tensor *input = r->inputs[i];
  moe_record *own = input->record;
  *out = NULL;
  *fresh = false;
  if (own == NULL) return MOE_OK;
  if (own->gradient == NULL) {
    MOE_TRY(moe_tensor_make(call, MOE_F32, input->ndim, input->shape,
                            &own->gradient));
    *fresh = true;
  }
  *out = own->gradient->f;
  return MOE_OK;
}

moe_status moe_tape_add(moe_call *call, moe_record *r, size_t i,
                        const float *g) {
  size_t n = r->inputs[i]->n;
  float *to;
  bool fresh;
  MOE_TRY(moe_tape_gradient(call, r, i, &to, &fresh));
  if (to == NULL) return MOE_OK;
  if (fresh)
    memcpy(to, g, n * sizeof *g);
  else
    for (size_t k = 0; k < n; k++) to[k] += g[k];
  return MOE_OK;
}

/* ------------------------------------------------------------------ the walk
   A heap of tensors with the deepest record on top: whoever is taken has its
   whole gradient, for all that it went into is deeper. */
typedef struct walk {
  moe_tensor **heap;
  size_t n, room;
  bool keep;
} walk;

static uint64_t depth_of(const moe_tensor *t) { return t->record->depth; }

static moe_status grow(moe_call *call, walk *w) {
  size_t room = w->room == 0 ? 64 : moe_size(2, w->room);
  moe_tensor **heap =
      moe_pool_take(call->pool, moe_size(room, sizeof *heap), false);
  if (heap == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for backward");
  if (w->n > 0) memcpy(heap, w->heap, w->n * sizeof *heap);
  moe_pool_give(w->heap);
  w->heap = heap;
  w->room = room;
  return MOE_OK;
}

static moe_status push(moe_call *call, walk *w, moe_tensor *t) {
  size_t i;
  if (t->record->operation == NULL || t->record->queued) return MOE_OK;
  if (t->record->working)
    return moe_fail(call, MOE_ESTATE,
                    "backward: called by the backward of %s, through which it "
                    "would go",
                    t->record->operation->name);
  if (w->n == w->room) MOE_TRY(grow(call, w));
  for (i = w->n++; i > 0; i = (i - 1) / 2) {
    moe_tensor *above = w->heap[(i - 1) / 2];
    if (depth_of(above) >= depth_of(t)) break;
    w->heap[i] = above;
  }
  w->heap[i] = moe_tensor_retain(t);
  t->record->queued = true;
  return MOE_OK;
}

static moe_tensor *pop(walk *w) {
  moe_tensor *top = w->heap[0], *last = w->heap[--w->n];
  size_t i = 0;
  for (size_t k = 1; k < w->n; k = 2 * i + 1) {
    if (k + 1 < w->n && depth_of(w->heap[k + 1]) > depth_of(w->heap[k])) k++;
    if (depth_of(last) >= depth_of(w->heap[k])) break;
    w->heap[i] = w->heap[k];
    i = k;
  }
  if (w->n > 0) w->heap[i] = last;
  top->record->queued = false;
  return top;
}

/* The value of input i, or of the output, is the one that was recorded. */
static moe_status check_value(moe_call *call, const moe_record *r,
                              const moe_tensor *t, uint32_t version) {
  const char *name = r->operation->name;
  if (moe_tensor_is_gone(t))
    return moe_fail(call, MOE_ESTATE,
                    "backward: a value that %s needs was given back by an "
                    "earlier backward; backward { keep = true } keeps it",
                    name);
  if (t->storage->version == version) return MOE_OK;
  return moe_fail(call, MOE_ESTATE,
                  "backward: a tensor that %s needs was changed in place since",
                  name);
}

static moe_status check_values(moe_call *call, const moe_tensor *t) {
  const moe_record *r = t->record;
  if (r->spent)
    return moe_fail(call, MOE_ESTATE,
                    "backward: the records of %s were given back by an earlier "
                    "backward; backward { keep = true } keeps them",
                    r->operation->name);
  for (size_t i = 0; i < r->n_inputs; i++)
    if (r->operation->reads >> i & 1)
      MOE_TRY(check_value(call, r, r->inputs[i], r->versions[i]));
  if (r->operation->reads & MOE_READS_OUTPUT)
    return check_value(call, r, t, r->versions[r->n_inputs]);
  return MOE_OK;
}

static void give_back(moe_tensor *t) {
  moe_record *r = t->record;
  moe_tensor *inputs = NULL;
  drop_inputs(r, &inputs);
  moe__tensors_free(inputs);
  r->spent = true;
}

/* Whoever read the value is deeper, and done. */
static void give_value_back(moe_tensor *t) {
  if (t->record->retained) return;
  if (t->n == 1)
    moe__tensor_settle(t);
  else
    moe__tensor_give_back(t);
}

static moe_status visit(moe_call *call, walk *w, moe_tensor *t) {
  moe_record *r = t->record;
  bool read = r->operation->reads & MOE_READS_OUTPUT;
  MOE_TRY(check_values(call, t));
  if (!w->keep && !read) give_value_back(t);
  r->working = true;
  moe_status status = r->operation->backward(call, r, t, r->gradient->f);
  r->working = false;
  MOE_TRY(status);
  for (size_t i = 0; i < r->n_inputs; i++)
    if (r->inputs[i]->record != NULL && r->inputs[i]->record->gradient != NULL)
      MOE_TRY(push(call, w, r->inputs[i]));
  if (!w->keep) give_back(t);
  if (!w->keep && read) give_value_back(t);
  return MOE_OK;
}

static moe_status begin(moe_call *call, moe_tensor *t, const float *seed) {
  moe_record *r = t->record;
  if (r == NULL)
    return moe_fail(call, MOE_ESTATE,
                    "backward: nothing that the tensor was made of requires a "
                    "gradient");
  if (t->n != 1 && seed == NULL)
    return moe_fail(call, MOE_EARG,
                    "backward: the tensor has %zu items, not one; give the "
                    "gradient by it",
                    t->n);
  if (r->gradient == NULL)
    MOE_TRY(moe_tensor_new(call, MOE_F32, t->ndim, t->shape, &r->gradient));
  for (size_t k = 0; k < t->n; k++)
    r->gradient->f[k] += seed != NULL ? seed[k] : 1;
  return MOE_OK;
}

moe_status moe_tape_backward(moe_call *call, moe_tensor *t, const float *seed,
                             bool keep) {
  walk w = {.keep = keep};
  MOE_TRY(begin(call, t, seed));
  moe_status status = push(call, &w, t);
  while (w.n > 0) {
    moe_tensor *next = pop(&w);
    if (status == MOE_OK) status = visit(call, &w, next);
    if (!next->record->retained) moe_tape_forget(next);
    moe_tensor_release(next);
  }
  moe_pool_give(w.heap);
  if (call->pool != NULL) moe_pool_turn(call->pool);
  return status;
}
