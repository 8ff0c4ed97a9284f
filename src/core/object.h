/* The generic object.  A type is one constant table: its name, its parameters
   and one `visit` that names every array of its trained state.  Construction,
   validation, clone, reset, memory, save and load follow from the table and
   are written once, here and in the model file. */
#ifndef MOE_OBJECT_H
#define MOE_OBJECT_H

#include <math.h>

#include "memory.h"
#include "random.h"
#include "status.h"

typedef struct moe_object moe_object;
typedef struct moe_type moe_type;

/* ------------------------------------------------------------------ values
   A value on its way into or out of an object: what Lua tables, JSON and
   parameters have in common.  Its memory belongs to the caller or to the
   call's scratch; nothing in it is owned. */
typedef enum moe_value_kind {
  MOE_V_NIL,
  MOE_V_FLAG,
  MOE_V_NUMBER,
  MOE_V_TEXT,
  MOE_V_LIST, /* n items */
  MOE_V_MAP,  /* n keys (each a flag, number or text) and n items */
  MOE_V_OBJECT,
  MOE_V_FUNCTION /* the host keeps the function itself */
} moe_value_kind;

typedef struct moe_value {
  moe_value_kind kind;
  bool flag;
  double number;
  const char *text;
  moe_object *object;
  size_t n;
  struct moe_value *keys, *items;
} moe_value;

moe_value moe_flag_value(bool flag);
moe_value moe_number_value(double number);
moe_value moe_text_value(const char *text); /* NULL gives nil */

/* A list or map of n nil items in the call's scratch. */
moe_status moe_list_value(moe_call *call, size_t n, moe_value *out);
moe_status moe_map_value(moe_call *call, size_t n, moe_value *out);

/* -------------------------------------------------------------- parameters
   How each kind lies in the params struct, and what an absent optional one
   holds. */
typedef enum moe_kind {
  MOE_INT,      /* int64_t, in [-2^53, 2^53]; absent: MOE_NO_INT */
  MOE_REAL,     /* double; absent: NaN */
  MOE_FLAG,     /* bool */
  MOE_CHOICE,   /* int, index into choices; absent: -1 */
  MOE_TEXT,     /* char *; absent: NULL */
  MOE_INTS,     /* moe_reals of integers; absent: items NULL */
  MOE_REALS,    /* moe_reals */
  MOE_TEXTS,    /* moe_texts */
  MOE_WEIGHTS,  /* moe_weights: label → real */
  MOE_CHILD,    /* moe_object *; absent: NULL */
  MOE_CHILDREN, /* moe_children, names ordered by byte or "1", "2", … */
  MOE_CALLBACK  /* bool: the host holds a function for it */
} moe_kind;

#define MOE_NO_INT INT64_MIN

typedef struct moe_reals {
  double *items;
  size_t n;
} moe_reals;

typedef struct moe_texts {
  char **items;
  size_t n;
} moe_texts;

/* A label as the user gave it. */
typedef enum moe_label_kind {
  MOE_L_NUMBER,
  MOE_L_TEXT,
  MOE_L_FLAG
} moe_label_kind;
typedef struct moe_label {
  moe_label_kind kind;
  double number; /* also 0 or 1 of a flag */
  char *text;
} moe_label;

typedef struct moe_labels {
  moe_label *items;
  size_t n;
} moe_labels;

typedef struct moe_weights {
  moe_label *labels;
  double *items;
  size_t n;
} moe_weights;

typedef struct moe_children {
  char **names;
  moe_object **items;
  size_t n;
  bool numbered; /* made from an array, so names are "1", "2", … */
} moe_children;

enum {
  MOE_OPTIONAL = 1,
  MOE_ABOVE_MIN = 2, /* min itself is refused */
  MOE_OR_PLACE = 4,  /* of a text: a number, counted from 1, may stand for it */
  MOE_LEARNED = 8 /* of children: the object's own, which go with its state */
};

/* One user-visible setting. */
typedef struct moe_param {
  const char *name;
  moe_kind kind;
  size_t offset;              /* of the field in the params struct */
  double def, min, max;       /* of the number, or of each number in a list; a
                                 choice's default is its index, a flag's 0 or 1, an
                                 optional one's NaN means absent */
  const char *const *choices; /* ends with NULL */
  const char *family;         /* of a child */
  unsigned flags;
  const char *doc;
} moe_param;

/* clang-format off */
#define MOE_P_INT(T, field, def, min, max, doc) \
  {#field, MOE_INT, offsetof(T, field), def, min, max, 0, 0, 0, doc}
#define MOE_P_REAL(T, field, def, min, max, doc) \
  {#field, MOE_REAL, offsetof(T, field), def, min, max, 0, 0, 0, doc}
#define MOE_P_ABOVE(T, field, def, min, max, doc) \
  {#field, MOE_REAL, offsetof(T, field), def, min, max, 0, 0, MOE_ABOVE_MIN, doc}
#define MOE_P_OPT_INT(T, field, min, max, doc) \
  {#field, MOE_INT, offsetof(T, field), NAN, min, max, 0, 0, MOE_OPTIONAL, doc}
#define MOE_P_OPT_REAL(T, field, min, max, doc) \
  {#field, MOE_REAL, offsetof(T, field), NAN, min, max, 0, 0, MOE_OPTIONAL, doc}
#define MOE_P_FLAG(T, field, def, doc) \
  {#field, MOE_FLAG, offsetof(T, field), def, 0, 1, 0, 0, 0, doc}
#define MOE_P_CHOICE(T, field, def, choices, doc) \
  {#field, MOE_CHOICE, offsetof(T, field), def, 0, 0, choices, 0, 0, doc}
#define MOE_P_LIST(T, field, kind, min, max, doc) \
  {#field, kind, offsetof(T, field), NAN, min, max, 0, 0, MOE_OPTIONAL, doc}
#define MOE_P_TEXT(T, field, doc) \
  {#field, MOE_TEXT, offsetof(T, field), NAN, 0, 0, 0, 0, MOE_OPTIONAL, doc}
#define MOE_P_CALLBACK(T, field, doc) \
  {#field, MOE_CALLBACK, offsetof(T, field), 0, 0, 0, 0, 0, MOE_OPTIONAL, doc}
#define MOE_P_CHILD(T, field, kind, family, flags, doc) \
  {#field, kind, offsetof(T, field), NAN, 0, 0, 0, family, flags, doc}
#define MOE_P_SEED(T) \
  {"seed", MOE_INT, offsetof(T, seed), NAN, 0, 0x1p53, 0, 0, MOE_OPTIONAL, \
   "seed of the generator; absent: 0, or drawn from the parent's and the name"}
/* clang-format on */

/* ------------------------------------------------------------------- state
   `visit` calls one of the verbs below for each part of the state, always in
   the same order, a length before the array that it measures. */
typedef enum moe_dtype {
  MOE_F64,
  MOE_F32,
  MOE_I64,
  MOE_I32,
  MOE_U8,
  MOE_BF16 /* of arrays alone: the upper half of a float32 */
} moe_dtype;
size_t moe_dtype_size(moe_dtype dtype);

typedef enum moe_field_kind {
  MOE_FIELD_SCALAR,  /* `at` is the value itself */
  MOE_FIELD_ARRAY,   /* `at` is the array's pointer; n items, or NULL yet */
  MOE_FIELD_GROWING, /* the same, and *length is read from the file */
  MOE_FIELD_TEXTS,   /* `at` is a moe_texts */
  MOE_FIELD_LABELS,  /* `at` is a moe_labels */
  MOE_FIELD_CHILD,   /* `at` is a moe_object * */
  MOE_FIELD_CHILDREN /* `at` is a moe_children */
} moe_field_kind;

typedef struct moe_field {
  const char *name;
  moe_field_kind kind;
  moe_dtype dtype;
  void *at;
  size_t n;
  size_t *length;
  bool derived; /* not saved: `rebuild` makes it again */
} moe_field;

typedef struct moe_visitor moe_visitor;
struct moe_visitor {
  moe_status (*field)(moe_visitor *v, const moe_field *f);
};

moe_status moe_visit_scalar(moe_visitor *v, const char *name, moe_dtype dtype,
                            void *at);
moe_status moe_visit_array(moe_visitor *v, const char *name, moe_dtype dtype,
                           void *at, size_t n);
moe_status moe_visit_growing(moe_visitor *v, const char *name, moe_dtype dtype,
                             void *at, size_t *length);
moe_status moe_visit_texts(moe_visitor *v, const char *name, moe_texts *at);
moe_status moe_visit_labels(moe_visitor *v, const char *name, moe_labels *at);
moe_status moe_visit_children(moe_visitor *v, const char *name,
                              moe_children *at); /* numbered, of the state */
moe_status moe_visit_derived(moe_visitor *v, const char *name, moe_dtype dtype,
                             void *at, size_t n);

/* ------------------------------------------------------------------- types */

/* One read-only figure about a trained object, for info(). */
typedef struct moe_gauge {
  const char *name, *doc;
  moe_status (*read)(moe_call *call, const moe_object *o, moe_value *out);
} moe_gauge;

struct moe_type {
  const char *name, *family, *doc;
  size_t params_size, state_size;
  const moe_param *params; /* ends with a NULL name */
  const moe_gauge *gauges; /* the same; may be NULL */
  moe_status (*visit)(void *state, moe_visitor *v);

  /* The state as loaded from a file is safe to use: indices in range, acyclic,
     finite, shapes that agree with each other.  May be NULL. */
  moe_status (*check)(moe_call *call, const moe_object *o);

  /* Makes what is derived and not saved.  May be NULL. */
  moe_status (*rebuild)(moe_call *call, moe_object *o);

  /* For what lies outside params and state, in the host: completes a fresh
     copy; goes with an exchange of states; brings the state up to date before
     it is saved.  May be NULL. */
  moe_status (*cloned)(moe_call *call, const moe_object *from, moe_object *to);
  moe_status (*exchanged)(moe_call *call, moe_object *a, moe_object *b);
  moe_status (*saving)(moe_call *call, moe_object *o);

  /* The children of a parameter have taken the place of those of `before`,
     which still live.  May be NULL. */
  void (*replaced)(moe_object *o, const moe_param *p,
                   const moe_children *before);
};

enum { MOE_DEEPEST = 64 /* objects within objects */ };

/* What goes on with an object, in one number: whether a job is open on it, the
   calls in flight, and above those the changes of its parameters and exchanges
   of its state.  Changes are never taken back, and there is room for more of
   them, and for more calls, than anybody has time and memory for: so the same
   number again, or the same sum of several objects', says that nothing has
   changed, and that nobody is at work if nobody was. */
#define MOE_FITTING UINT64_C(1)
#define MOE_CALL UINT64_C(2)
#define MOE_CHANGE (UINT64_C(1) << 28)

/* Parameters are set by the user and survive a reset; the state is what was
   learned, NULL before that.  While calls are in flight on the object nothing
   may replace or free what they read.  Every object is deeper than those that
   hold it, so that none holds itself and walks down from it are short. */
struct moe_object {
  const moe_type *type;
  atomic_int refs;
  int depth; /* below MOE_DEEPEST */
  _Atomic uint64_t doings;
  moe_object **below; /* n_below: the objects in its parameters, in order, and
                         behind them those that go with its state */
  size_t n_below, room_below;
  void *params, *state;
};

/* A new object with every parameter at its default: one reference, the
   caller's. */
moe_status moe_object_new(moe_call *call, const moe_type *type,
                          moe_object **out);
moe_object *moe_object_retain(moe_object *o);
void moe_object_release(moe_object *o); /* accepts NULL */

/* Sets all of a map's parameters, or none.  A name may be a path into children
   ("experts.scope.max_depth").  Unknown names are refused with the nearest
   known one, values with the range allowed. */
moe_status moe_object_set(moe_call *call, moe_object *o, const moe_value *map);

/* The value of one parameter, or a map of all; memory from the scratch. */
moe_status moe_object_get(moe_call *call, const moe_object *o,
                          const moe_param *p, moe_value *out);
moe_status moe_object_get_all(moe_call *call, const moe_object *o,
                              moe_value *out);

/* Follows a path like "experts.scope.max_depth" from *o to the object that it
   leads to and its parameter. */
moe_status moe_object_resolve(moe_call *call, moe_object **o, const char *path,
                              const moe_param **out);

bool moe_param_is_default(const moe_object *o, const moe_param *p);
const moe_param *moe_type_find_param(const moe_type *type, const char *name);

/* A copy that shares nothing: children are cloned too, a callback's slot is
   the host's to fill. */
moe_status moe_object_clone(moe_call *call, const moe_object *o,
                            moe_object **out);

/* Gives the object another state, or none, for what it had: so is a state
   exchanged wherever somebody may have looked at the one before. */
void *moe_object_swap_state(moe_object *o, void *state);

/* Exchanges what two objects of one shape (one a clone of the other) have
   learned, in children too.  Cannot fail: how jobs commit what they trained in
   a clone.  What lives in the host stays where it is. */
void moe_object_exchange_states(moe_object *a, moe_object *b);

/* The same with what lives in the host, which alone may fail: then that is
   exchanged back, and what they have learned is as it was. */
moe_status moe_object_exchange(moe_call *call, moe_object *a, moe_object *b);

/* Makes o what `from` is, in children too: its settings and what it has
   learned.  MOE_EARG unless both are of the same types, with children of the
   same names and the same parameters that are the host's functions; what lives
   in the host is copied as clone copies it. */
moe_status moe_object_assign(moe_call *call, moe_object *o,
                             const moe_object *from);

/* What goes on with an object, and its changes alone, in MOE_CHANGE. */
static inline uint64_t moe_object_doings(const moe_object *o) {
  return atomic_load_explicit(&o->doings, memory_order_relaxed);
}
static inline uint64_t moe_object_changes(const moe_object *o) {
  return moe_object_doings(o) & -MOE_CHANGE;
}
static inline bool moe_object_is_used(const moe_object *o) {
  return (moe_object_doings(o) & (MOE_CHANGE - MOE_CALL)) != 0;
}
static inline bool moe_object_is_fitting(const moe_object *o) {
  return (moe_object_doings(o) & MOE_FITTING) != 0;
}

/* The sums of both for the objects in its parameters, which are the same as
   long as its own changes do not count. */
static inline uint64_t moe_object_doings_below(const moe_object *o) {
  uint64_t sum = 0;
  moe_object *const *end = o->below + o->n_below;
#pragma GCC unroll 2
  for (moe_object *const *at = o->below; at != end; at++)
    sum += moe_object_doings(*at);
  return sum;
}
static inline uint64_t moe_object_changes_below(const moe_object *o) {
  uint64_t sum = 0;
  moe_object *const *end = o->below + o->n_below;
  for (moe_object *const *at = o->below; at < end; at++)
    sum += moe_object_changes(*at);
  return sum;
}

/* Counts a change of an object's parameters or state. */
static inline void moe_object_count_change(moe_object *o) {
  atomic_fetch_add(&o->doings, MOE_CHANGE);
}

/* Counts a call that reads an object and its children, or (-1) its end; and one
   that has to do with the object alone. */
void moe_object_use(const moe_object *o, int by);
static inline void moe_object_use_alone(const moe_object *o, int by) {
  atomic_fetch_add(&((moe_object *)o)->doings, (uint64_t)by * MOE_CALL);
}

/* Marks an object as being fitted, or no longer so; and its children, too. */
static inline void moe_object_mark_alone(moe_object *o, bool fitting) {
  if (fitting)
    atomic_fetch_or(&o->doings, MOE_FITTING);
  else
    atomic_fetch_and(&o->doings, ~MOE_FITTING);
}
void moe_object_mark_fitting(moe_object *o, bool fitting);

/* Forgets what was learned, in children too. */
moe_status moe_object_reset(moe_call *call, moe_object *o);

/* Bytes held outside the host's heap, children included. */
size_t moe_object_bytes(const moe_object *o);

/* MOE_EBUSY while calls are in flight on the object or a child, or (with
   `for_change`) a job is open on it. */
moe_status moe_object_check_idle(moe_call *call, const moe_object *o,
                                 bool for_change);

/* Walks the children (of parameters), then the state, as fields. */
moe_status moe_object_visit(moe_object *o, moe_visitor *v);

/* State apart from its object, as jobs build it: zeroed, freed, copied. */
moe_status moe_state_new(moe_call *call, const moe_type *type, void **out);
void moe_state_free(const moe_type *type, void *state); /* accepts NULL */
moe_status moe_state_clone(moe_call *call, const moe_type *type,
                           const void *state, void **out);

/* Labels: order (numbers ascending, texts by byte, false, true), equality by
   order 0, "7", "scope" or "true" for messages. */
int moe_label_compare(const moe_label *a, const moe_label *b);
void moe_label_print(const moe_label *label, char *out, size_t size);
moe_value moe_label_value(const moe_label *label);

/* The label that a flag, number (not NaN) or text stands for; its text is a
   copy. */
moe_status moe_label_new(moe_call *call, const moe_value *v, moe_label *out);

/* Lists of labels; where they are ordered, the place of one in it, or -1. */
void moe_labels_free(moe_labels *l);
moe_status moe_labels_copy(moe_call *call, const moe_labels *from,
                           moe_labels *to);
ptrdiff_t moe_labels_find(const moe_labels *l, const moe_label *label);

/* Puts a copy of the label into its place in an ordered list, which it tells in
 *place (may be NULL), unless it is there: then *place is -1. */
moe_status moe_labels_add(moe_call *call, moe_labels *l, const moe_label *label,
                          ptrdiff_t *place);
void moe_labels_remove(moe_labels *l, size_t place);

/* The known name nearest to a misspelt one, or NULL when none is near. */
const char *moe_nearest_name(const char *name, const char *const *known,
                             size_t n);

/* A number that counts on, as a file may tell it: there is room for more. */
static inline bool moe_is_count(int64_t n) {
  return n >= 0 && n <= (int64_t)1 << 53;
}

#endif
