/* Gradients in reverse: an operation on tensors of which one requires them
   leaves a record on its result; backward walks the records from a scalar back
   to the leaves (Linnainmaa 1976; Griewank & Walther 2008).

   backward gives back every buffer in between, values included, except
   scalars, leaves and tensors that are retained: a training step holds its
   memory no longer than it must, whatever the host's collector does.  A host
   that holds them (moe_holder) keeps of a scalar its value, of the others
   nothing. */
#ifndef MOE_TAPE_H
#define MOE_TAPE_H

#include "pool.h"
#include "tensor.h"

/* A kind of operation: what its records have in common. */
typedef struct moe_operation {
  const char *name;
  size_t size;    /* bytes of its own in a record */
  unsigned reads; /* values that backward reads: bit i for input i, … */
  /* Adds to the gradients of the inputs what g, the gradient by the output,
     makes of them (moe_tape_gradient gives the place). */
  moe_status (*backward)(moe_call *call, moe_record *r, const moe_tensor *out,
                         const float *g);
  void (*release)(moe_record *r); /* of what its own bytes hold; or NULL */
} moe_operation;

enum { MOE_READS_OUTPUT = 1 << 30 /* … and this for the output */ };

struct moe_record {
  const moe_operation *operation; /* NULL: a leaf */
  moe_tensor *gradient;           /* of the tensor's shape; NULL: none yet */
  uint64_t depth;                 /* one more than that of the inputs */
  bool retained, queued, working, spent; /* in a walk; its backward is called;
                                            after a walk that kept nothing */
  size_t n_inputs;
  moe_tensor **inputs; /* retained; the record's own bytes follow them */
  uint32_t *versions;  /* n_inputs + 1: of their values, and of the output's */
  void *own;
};

/* Makes t a leaf, or ends that; MOE_ESTATE where it is the result of recorded
   operations, MOE_EARG of an index tensor. */
moe_status moe_tape_require(moe_call *call, moe_tensor *t, bool required);

/* t keeps its value and its gradient in backward. */
void moe_tape_retain(moe_tensor *t);

/* t has no gradient until another backward brings one. */
void moe_tape_forget(moe_tensor *t);

/* A tensor of one item of which an earlier backward took the records, as it was
   before it settled in its holder. */
moe_status moe_tape_recall(moe_call *call, const moe_holder *holder,
                           moe_tensor **out);

/* A view of t that nothing is recorded of. */
moe_status moe_tape_detach(moe_call *call, const moe_tensor *t,
                           moe_tensor **out);

/* Records that *out is what the operation made of the inputs, where one of them
   requires a gradient and call->recording is set.  *own (unless NULL) is then
   the operation's bytes in the record, zeroed, else NULL.  Where it fails *out
   is released, and NULL. */
moe_status moe_tape_record(moe_call *call, const moe_operation *operation,
                           moe_tensor **out, size_t n,
                           moe_tensor *const *inputs, void *own);

/* For backward: where the gradient by input i is to be added (t->n numbers);
   NULL where none is wanted, or (call's error) memory is short.  `fresh`: the
   place holds nothing yet and is to be overwritten. */
moe_status moe_tape_gradient(moe_call *call, moe_record *r, size_t i,
                             float **out, bool *fresh);

/* Adds n numbers there, for who has them at hand. */
moe_status moe_tape_add(moe_call *call, moe_record *r, size_t i,
                        const float *g);

/* From t (one item, unless `seed` gives the gradient by t, t->n numbers) back
   to the leaves, whose gradients are added to.  `keep`: the records and values
   stay for another walk.  Where it fails the leaves' gradients are of no use.
 */
moe_status moe_tape_backward(moe_call *call, moe_tensor *t, const float *seed,
                             bool keep);

/* ------------------------------------------------ among the tensor's files */

/* Takes a reference away; a tensor without any is put before the others in the
   list.  And the record's references; the record itself is freed. */
void moe__tensor_drop(moe_tensor *t, moe_tensor **dying);
void moe__record_free(moe_record *r, moe_tensor **dying); /* accepts NULL */
void moe__tensors_free(moe_tensor *dying);

/* The tensor loses its value, and its holder the tensor. */
void moe__tensor_give_back(moe_tensor *t);

/* The tensor leaves its holder, which is to have its only item, unless anyone
   but the holder and the caller refers to it. */
void moe__tensor_settle(moe_tensor *t);

/* The value was given back by backward. */
static inline bool moe_tensor_is_gone(const moe_tensor *t) {
  return t->storage == NULL;
}

#endif
