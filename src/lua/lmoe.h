/* What the files of the Lua binding share.  One metatable a family of objects,
   nothing per type: what a type has of its own is a parameter or a gauge.

   check_ fetches an argument or raises, test_ gives NULL instead, push_ leaves
   one value on the stack, open_ adds functions to the table on top of it. */
#ifndef LMOE_H
#define LMOE_H

#include <lauxlib.h>
#include <lua.h>

#include "compat.h"
#include "foreign.h"
#include "status.h"

/* -------------------------------------------------------------------- boxes
   Every userdata is a box around one engine pointer, NULL before its
   construction ended and after close.  What kind it is stands in the box
   itself: a metatable is changed by anyone who has a debugger. */
typedef struct lmoe_box {
  const void *family; /* the metatable that it was made with */
  void *pointer;
  size_t charged; /* bytes told to Lua's collector */
  bool closed;    /* an object that others still hold: closed for this box */
  const void *teller; /* held by the box: see lsample.c */
} lmoe_box;

/* Pushes an empty box: whatever fails later, the collector finds a safe value.
   `family` is the metatable's name ("moe.Tensor"). */
lmoe_box *lmoe_push_box(lua_State *L, const char *family);

/* The same for a structure of `size` bytes that begins with a box. */
void *lmoe_push_larger_box(lua_State *L, const char *family, size_t size);

/* The box at `index`, open or closed; NULL when it is another kind of value.
   want_ raises then. */
lmoe_box *lmoe_find_box(lua_State *L, int index, const char *family);
lmoe_box *lmoe_want_box(lua_State *L, int index, const char *family);

/* The pointer in the box at `index`; raises when it is another kind of value
   or closed. */
void *lmoe_check_box(lua_State *L, int index, const char *family);
void *lmoe_test_box(lua_State *L, int index, const char *family);

/* Makes the metatable of a family and fills it: names beginning with "__" are
   metamethods, the others methods; __gc, __close and close all call `close`.
   A family that was made before (the module is opened again) keeps its methods.
   Leaves nothing on the stack.  What is asked for at each call they have at
   hand, as upvalues: the desk, and the metatable. */
void lmoe_new_family(lua_State *L, const char *family, const luaL_Reg *methods,
                     lua_CFunction close);

/* More methods for a family made before; and functions that have the same at
   hand, one or several for the table on top. */
void lmoe_add_methods(lua_State *L, const char *family,
                      const luaL_Reg *methods);
void lmoe_push_function(lua_State *L, const char *family, lua_CFunction f);
void lmoe_add_functions(lua_State *L, const char *family, const luaL_Reg *r);

/* Functions of no family, for the table on top: they have the desk. */
void lmoe_set_functions(lua_State *L, const luaL_Reg *r);

/* Whether one of the functions above called the running one: a callback's, or a
   finaliser's, which may run wherever Lua makes something, and so between what
   that function has looked at and what it does with it.  `o`: one of its own
   methods; NULL: any. */
bool lmoe_is_amid(lua_State *L, const moe_object *o);

/* Brings a mixture on a stream, if that is one, up to date with its experts. */
void lmoe_follow(lua_State *L, moe_object *o);

#define LMOE_DESK(L) ((lmoe_desk *)lua_touserdata(L, lua_upvalueindex(1)))
#define LMOE_METATABLE lua_upvalueindex(2)

/* Tells the collector that the box now stands for `bytes` outside its heap;
   the same of anything else that remembers in *charged what it told. */
void lmoe_charge(lua_State *L, lmoe_box *box, size_t bytes);
void lmoe_charge_for(lua_State *L, size_t *charged, size_t bytes);

/* -------------------------------------------------------------------- calls */
typedef struct lmoe_call {
  moe_call call;
  moe_host host;
  lua_State *L;
  double deadline;              /* in seconds of lmoe_now; 0: none */
  const atomic_bool *interrupt; /* see lmoe_interrupt_flag */
  int callbacks; /* in flight: a raise in one does not end the call */
  bool raised;   /* a callback did: … */
  int error;     /* … reference to what, or room for it */
  int anchors;   /* reference to a table of values kept alive */
  int result;    /* where on the stack the box for its tensor is */
  bool at_desk, taken;
  void *data; /* what it reads, which a callback may close: see lmoe_hold */
  void (*release_data)(void *data);
} lmoe_call;

/* Pushes a call (a userdata, so that a raise anywhere frees its scratch). */
lmoe_call *lmoe_begin(lua_State *L);

/* The same for a call in which nothing of Lua's is called that might raise: the
   desk's, which costs nothing, unless that is busy. */
struct lmoe_desk;
lmoe_call *lmoe_begin_briefly(lua_State *L, struct lmoe_desk *d);

/* Ends the call: raises unless the status is MOE_OK.  The error object that a
   callback raised is raised again as it was. */
void lmoe_end(lua_State *L, lmoe_call *c, moe_status status);

/* Ends a failed call that depended on the outside world, or on what a type can
   do: pushes nil, message and code for MOE_EIO, MOE_EFORMAT and
   MOE_EUNSUPPORTED (and returns 3), raises the others. */
int lmoe_refuse(lua_State *L, lmoe_call *c, moe_status status);

/* Raises the call's error at once, ending the call, unless OK. */
#define LMOE_TRY(L, c, expression)                            \
  do {                                                        \
    moe_status lmoe_status_ = (expression);                   \
    if (lmoe_status_ != MOE_OK) lmoe_end(L, c, lmoe_status_); \
  } while (0)

double lmoe_now(void); /* monotonic seconds */

/* While this flag of the state is up, engine calls end with "interrupted".  For
   a signal handler, which can raise it but not ask for it: nothing of Lua's API
   is safe there. */
atomic_bool *lmoe_interrupt_flag(lua_State *L);

/* Keeps the value on top alive until the call ends; pops it. */
void lmoe_anchor(lua_State *L, lmoe_call *c);

/* For callbacks of the engine: runs work(L) protected, `data` being its only
   argument; an error unwinds as MOE_EHOST, and lmoe_end raises it as it was. */
moe_status lmoe_call_back(moe_call *call, lua_CFunction work, void *data);

/* Takes over a reference to the data that the call reads, until it ends. */
void lmoe_hold(lmoe_call *c, void *data, void (*release)(void *data));

/* ----------------------------------------------------------------- the desk
   What one sample needs, kept from one to the next so that none allocates: one
   a Lua state, at hand unless the engine is at work on it.  A callback's own
   samples find it busy, and make calls of their own. */
typedef struct lmoe_desk {
  lmoe_call call;
  bool busy;
  const void *learner, *gate; /* the families' metatables */
  double *numbers; /* a userdata, which is only replaced while nobody reads */
  size_t room;
  struct lmoe_tape *tape; /* see ltape.c */
} lmoe_desk;

lmoe_desk *lmoe_desk_of(lua_State *L);

/* The desk's call, until its end, which raises unless the status is MOE_OK. */
lmoe_call *lmoe_desk_begin(lua_State *L, lmoe_desk *d);
void lmoe_desk_end(lua_State *L, lmoe_desk *d, moe_status status);

/* Makes room for so many numbers, unless the desk is busy. */
void lmoe_desk_reserve(lua_State *L, lmoe_desk *d, size_t n);

/* The userdata of the other kinds; test_ gives NULL for anything else, push_
   takes over the caller's reference. */
bool lmoe_is_tensor(lua_State *L, int index); /* whose value may be gone */
struct moe_tensor *lmoe_test_tensor(lua_State *L, int index);
struct moe_tensor *lmoe_check_tensor(lua_State *L, int index);
void lmoe_push_tensor(lua_State *L, struct moe_tensor *t);
struct moe_sparse *lmoe_test_sparse(lua_State *L, int index);
struct moe_sparse *lmoe_check_sparse(lua_State *L, int index);
void lmoe_push_sparse(lua_State *L, struct moe_sparse *s);

/* ------------------------------------------------------------------- values */

/* The Lua value at `index` as an engine value in the call's scratch (tables
   become lists or maps, nested up to a limit), and back. */
moe_value lmoe_check_value(lua_State *L, lmoe_call *c, int index);
void lmoe_push_value(lua_State *L, const moe_value *v);
void lmoe_push_label(lua_State *L, const moe_label *label);

/* A field of an options table, by name, as it is there: no metamethod of the
   caller's runs in the middle of a call. */
void lmoe_get_option(lua_State *L, int table, const char *name);

/* The same: a number or the default; raises naming it when wrong. */
double lmoe_opt_number(lua_State *L, int table, const char *name, double low,
                       double high, double otherwise);
bool lmoe_opt_flag(lua_State *L, int table, const char *name, bool otherwise);

/* Refuses fields of an options table (or nothing, for nil) that are not among
   the NULL-ended known names, with the nearest one. */
void lmoe_check_options(lua_State *L, int table, const char *const *known);

/* --------------------------------------------------------------------- data */

/* X: a tensor, a sparse matrix, a table or a Lua array of rows. */
void lmoe_check_rows(lua_State *L, lmoe_call *c, int index, moe_rows *out);

/* One sample: an array of values, or name → value where `schema` (which may be
   NULL) has names.  A value is a number, a string, or false where it is
   missing, as names are that are not there. */
void lmoe_check_sample(lua_State *L, lmoe_call *c, int index,
                       const moe_schema *schema, moe_rows *out);

/* The first n values of an array, read raw; false where one is no number.
   There is room for as many values on the stack as a function finds there. */
bool lmoe_read_numbers(lua_State *L, int array, size_t n, double *out);

/* The same of an array of n numbers and nothing else.  False also where that
   cannot be told at a glance. */
bool lmoe_read_array(lua_State *L, int array, size_t n, double *out);

/* y for n rows: a Lua array, a tensor, or (index of a table) its target. */
void lmoe_check_target(lua_State *L, lmoe_call *c, int index,
                       const moe_object *o, size_t n, moe_target *out);

/* y of one sample, which is no array unless there are several quantities. */
void lmoe_check_lone_target(lua_State *L, lmoe_call *c, int index,
                            const moe_object *o, moe_target *out);

/* Ids 0, 1, … of n labels in a Lua array: equal labels, equal ids. */
const int32_t *lmoe_check_groups(lua_State *L, lmoe_call *c, int index,
                                 size_t n);

/* What to learn from, in the arguments from `first` on: (table) or (X, y),
   then perhaps a table of options, whose index is returned. */
int lmoe_check_batch(lua_State *L, lmoe_call *c, int first, const moe_object *o,
                     moe_batch *out);

/* ------------------------------------------------------------------ answers */

/* x->n × n_outputs numbers in the call's scratch. */
const double *lmoe_predict(lua_State *L, lmoe_call *c, const moe_object *o,
                           const moe_rows *x);

/* The most probable class, the first of equals. */
size_t lmoe_best_class(const double *p, size_t n);

/* Raises where there are no probabilities. */
void lmoe_refuse_regressor(lua_State *L, const moe_object *o);

/* ------------------------------------------------------------------ objects */

/* The one box of an engine object. */
void lmoe_push_object(lua_State *L, moe_object *o);

/* A new object of the catalog, every parameter at its default. */
moe_object *lmoe_push_new(lua_State *L, const char *family, const char *name);
moe_object *lmoe_check_object(lua_State *L, int index, const char *family);
moe_object *lmoe_test_object(lua_State *L, int index); /* of any family */
moe_object *lmoe_check_self(lua_State *L); /* the same, of a method's object */

/* The same in a method that changes what others look at while they are at work:
   raises where one of them is. */
moe_object *lmoe_check_idle_self(lua_State *L);
void lmoe_refuse_amid(lua_State *L, const moe_object *o);

/* After construction or a change of children: keeps the boxes of the object's
   children alive for as long as its own, at `index`. */
void lmoe_root_children(lua_State *L, int index);

/* Wraps a table or function of the user's as an object of the family. */
void lmoe_push_foreign(lua_State *L, int index, const char *family);
int lmoe_new_foreign(lua_State *L);

/* What is on top, where it is one of them, has for its name, in messages, the
   key below it. */
void lmoe_name_foreign(lua_State *L);
int lmoe_get_behind(lua_State *L);
extern const moe_foreign lmoe_foreign;

/* { indices = n×k (1-based, 0: none), weights = n×k, probs = n×experts } */
struct moe_routing;
void lmoe_push_routing(lua_State *L, lmoe_call *c, const struct moe_routing *r);

/* Families' metatables. */
#define LMOE_LEARNER "moe.Learner"
#define LMOE_GATE "moe.Gate"
#define LMOE_TRANSFORM "moe.Transform"
#define LMOE_STREAMING "moe.Streaming"
#define LMOE_DETECTOR "moe.Detector"

/* Pushes a box around one block of the engine's memory, NULL at first, which
   the collector frees. */
void *lmoe_push_bytes_box(lua_State *L);

/* The pieces of moe.core; each adds to the table on top of the stack. */
void lmoe_open_objects(lua_State *L);
void lmoe_open_learners(lua_State *L);
void lmoe_open_samples(lua_State *L);
void lmoe_open_contributions(lua_State *L);
void lmoe_open_intervals(lua_State *L);
void lmoe_open_import(lua_State *L);
void lmoe_open_jobs(lua_State *L);
void lmoe_open_files(lua_State *L);
void lmoe_open_transforms(lua_State *L);
void lmoe_open_mixture(lua_State *L);
void lmoe_open_detectors(lua_State *L);
void lmoe_open_route(lua_State *L);
void lmoe_open_tensor(lua_State *L);
void lmoe_open_tape(lua_State *L);
void lmoe_open_layers(lua_State *L);
void lmoe_open_arrays(lua_State *L);
void lmoe_open_sparse(lua_State *L);
void lmoe_open_table(lua_State *L);
void lmoe_open_processes(lua_State *L);
void lmoe_open_random(lua_State *L);
void lmoe_open_streams(lua_State *L);
void lmoe_add_packing(lua_State *L);

#endif
