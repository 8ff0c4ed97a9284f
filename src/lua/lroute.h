/* What moe.route gives back, and its methods need. */
#ifndef LROUTE_H
#define LROUTE_H

#include "balance.h"
#include "dispatch.h"
#include "lmoe.h"

#define LMOE_ROUTING "moe.Routing"

enum { LMOE_LATE_FIELDS = 5, LMOE_ROUTING_LOSSES = 7 };

/* The userdata of a routing.  Its figures, and the losses that were asked for,
   stay here when backward gives the routing back. */
typedef struct lmoe_routing_box {
  lmoe_box box;
  bool measured;
  moe_balance balance;
  double logit_max;
  double *total, *counts; /* selections by expert: all, those with room */
  unsigned asked;         /* for which losses, bit by bit */
  double losses[LMOE_ROUTING_LOSSES];
  double numbers[]; /* what balance, total and counts point to */
} lmoe_routing_box;

/* A routing with all that it was made from, in the metatable of the table that
   Lua sees, and in the record of its weights (lroute_tape.c).  When backward
   has used it, its box loses it and keeps the figures, and its fields lose
   their values, as tensors do. */
typedef struct lmoe_routed {
  atomic_int refs;
  bool retained;
  lmoe_routing_box *box;
  struct moe_tensor *fields[LMOE_LATE_FIELDS]; /* made when asked for */
  moe_route_config config;
  moe_route_input in; /* reads `clean`, and those below */
  moe_routing r;
  moe_dispatch by_expert;
  double *clean, *bias, *noise;
  unsigned char *allowed;
  int64_t *ids;
} lmoe_routed;

void lmoe_routed_release(lmoe_routed *w);
void lmoe_routed_give_back(lmoe_routed *w);

static inline const moe_route_config *lmoe_route_config(const lmoe_routed *w) {
  return &w->config;
}

/* Fields of the table on top: `indices`, `weights` and `dropped`; `probs`; and
   the selections sorted by expert, `counts` of each and then of each selection
   its row, its choice (the column of `indices`) and its place among all. */
void lmoe_set_selection(lua_State *L, lmoe_call *c, const moe_routing *r);
void lmoe_set_probs(lua_State *L, lmoe_call *c, const moe_routing *r);
void lmoe_set_dispatch(lua_State *L, lmoe_call *c, const lmoe_routed *w);

/* The routing behind the table at `index`; raises for any other value. */
lmoe_routed *lmoe_check_routed(lua_State *L, int index);

/* Its box, which backward may have emptied: box.pointer is NULL then. */
lmoe_routing_box *lmoe_check_routing_box(lua_State *L, int index);

/* Fills in the figures of the box, unless they are there. */
void lmoe_measure_routing(const lmoe_routed *w);

/* n doubles of the call's scratch, or an error is raised. */
double *lmoe_route_room(lua_State *L, lmoe_call *c, size_t n);

/* The rows of logits at index, which must be finite. */
void lmoe_check_logits(lua_State *L, lmoe_call *c, int index, moe_rows *x);

/* Copies the matrix at `index` to `out`; raises unless it is rows × columns of
   finite numbers. */
void lmoe_route_matrix(lua_State *L, lmoe_call *c, int index, const char *what,
                       size_t rows, size_t columns, double *out);

extern const luaL_Reg lmoe_routing_methods[];

/* A loss of balance.h and its gradients, n × experts each. */
typedef struct lmoe_routing_loss {
  const lmoe_routed *w;
  double value;
  double *gradient; /* by the logits */
  double *by_noise; /* by the deviations of their noise */
  double *room;
} lmoe_routing_loss;

/* That which the string at `index` names, of the routing.  `room`: 3 × n ×
   experts zeros, the gradients first; NULL: in the call's scratch. */
lmoe_routing_loss lmoe_measure_loss(lua_State *L, lmoe_call *c, int index,
                                    const lmoe_routed *w, double *room);

/* The same of a routing that backward gave back, if it was asked for before;
   raises otherwise. */
double lmoe_known_loss(lua_State *L, int index, const lmoe_routing_box *box);

/* Adds route and routing_loss to the operations on top. */
void lmoe_open_route_tape(lua_State *L);

/* Routes rows of logits by the options in the table at `options` (or nil) and,
   where these are silent, by those of `otherwise` (or NULL) that every router
   has and by `bias` (or NULL); pushes what moe.route gives. */
void lmoe_push_routed(lua_State *L, lmoe_call *c, const moe_rows *logits,
                      const moe_route_config *otherwise, const double *bias,
                      int options);

#endif
