/* Objects written in the host's language: the engine holds the object, the
   host the value behind it, found by the object's address. */
#ifndef MOE_FOREIGN_H
#define MOE_FOREIGN_H

#include "learner.h"

/* What a host offers for moe_host.foreign.  Every function may fail with
   MOE_EHOST, after which the host raises its own error again. */
typedef struct moe_foreign {
  /* A piece of the job of a value, the `first` or a later one; says in it
     whether it is done, or usable.  A target's labels are those of job->state.
     A warm fit may go on from what the value has learned. */
  moe_status (*fit)(moe_call *call, moe_job *job, bool first);

  /* Gives the value what a usable job has learned so far. */
  moe_status (*publish)(moe_call *call, moe_job *job);

  /* Trains the value on rows whose labels are the object's own. */
  moe_status (*learn)(moe_call *call, const moe_object *o,
                      const moe_fitted *fitted, const moe_batch *batch);

  /* n × fitted->n_outputs numbers: probabilities of the fitted labels or of
     the experts of a gate, or values. */
  moe_status (*predict)(moe_call *call, const moe_object *o,
                        const moe_fitted *fitted, const moe_rows *x,
                        double *out);

  /* Makes a copy of from's value for `to`. */
  moe_status (*clone)(moe_call *call, const moe_object *from, moe_object *to);

  /* Each of the two values becomes what the other was; who refers to one of
     them goes on doing so. */
  moe_status (*exchange)(moe_call *call, moe_object *a, moe_object *b);

  /* The value's state as JSON text, owned by the caller.  The way back is the
     host's: no code runs while a file is loaded. */
  moe_status (*get_state)(moe_call *call, const moe_object *o, char **json);
} moe_foreign;

/* What a learner or gate does that hands a call on to the host: predict, with
   the answers checked and probabilities made to sum to 1, the copy, and the
   host's part of an exchange. */
moe_status moe_foreign_predict(moe_call *call, const moe_object *o,
                               const moe_rows *x, double *out);
moe_status moe_foreign_cloned(moe_call *call, const moe_object *from,
                              moe_object *to);
moe_status moe_foreign_exchanged(moe_call *call, moe_object *a, moe_object *b);

bool moe_object_is_foreign(const moe_object *o);

/* The JSON text that the object was loaded or last saved with, or NULL. */
const char *moe_foreign_state(const moe_object *o);

#endif
