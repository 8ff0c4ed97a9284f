/* Statuses, and the call that carries an error back to its caller. */
#ifndef MOE_STATUS_H
#define MOE_STATUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOE_VERSION "0.1.0"

/* Every fallible function returns one of these; the map is the only list. */
#define MOE_STATUS_MAP(X)                       \
  X(OK, "success")                              \
  X(ENOMEM, "not enough memory")                \
  X(EPARAM, "invalid parameter")                \
  X(EARG, "invalid argument")                   \
  X(EDATA, "unusable data")                     \
  X(ESTATE, "not possible in this state")       \
  X(EBUSY, "the object is in use")              \
  X(EFORMAT, "corrupt or incompatible data")    \
  X(EIO, "input or output failed")              \
  X(ECANCELLED, "cancelled")                    \
  X(EHOST, "an error was raised in a callback") \
  X(EUNSUPPORTED, "not possible for this type")

typedef enum moe_status {
#define X(name, text) MOE_##name,
  MOE_STATUS_MAP(X)
#undef X
} moe_status;

/* "EDATA" and "unusable data", for instance. */
const char *moe_status_name(moe_status status);
const char *moe_status_text(moe_status status);

/* Filled by the failing function; owned by the caller, so there is no global.
 */
typedef struct moe_error {
  moe_status status;
  char text[480];
} moe_error;

/* What the embedding program offers; every member may be NULL.
   `expired` and `cancelled` are asked from worker threads too; the others only
   from the thread that made the call. */
typedef struct moe_host {
  bool (*expired)(void *data); /* true: pause a job after this piece of work */
  bool (*cancelled)(void *data); /* true: give up with MOE_ECANCELLED */
  void (*progress)(void *data, const char *what, double share);
  const struct moe_foreign
      *foreign; /* objects written in the host's language */
  void *data;
} moe_host;

/* Handed to every function that can fail: where its error goes, how many
   threads it may use, its scratch memory and the host it serves.  One call
   serves one thread; begin with moe_call_init, end with moe_call_end. */
typedef struct moe_call {
  moe_error error;
  int threads; /* limit; 1 is the calling thread alone */
  const moe_host *host;
  struct moe_scratch_block *scratch;
  struct moe_pool *pool; /* where tensors come from; NULL: the system */
  bool recording;        /* operations on tensors record their gradients */
} moe_call;

void moe_call_init(moe_call *call, const moe_host *host, int threads);

/* Frees the call's scratch memory; the error stays readable. */
void moe_call_end(moe_call *call);

/* True when a job should return after the piece of work in hand. */
bool moe_call_pausing(const moe_call *call);

/* MOE_ECANCELLED once the host has cancelled, else MOE_OK. */
moe_status moe_call_check(moe_call *call);

/* Tells the host how far `what` has come; share is in [0, 1]. */
void moe_call_progress(moe_call *call, const char *what, double share);

/* Writes the message (printf's rules) and returns the status. */
moe_status moe_fail(moe_call *call, moe_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define MOE_TRY(expression)                        \
  do {                                             \
    moe_status try_status_ = (expression);         \
    if (try_status_ != MOE_OK) return try_status_; \
  } while (0)

/* Of a function that is seldom needed: it stays out of the way of those that
   every sample of a stream goes through. */
#define MOE_RARE __attribute__((noinline, cold))

#endif
