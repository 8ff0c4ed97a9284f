/* What becomes of a routing before experts work on it: the capacity of an
   expert, what happens beyond it, and the selections grouped by expert. */
#ifndef MOE_DISPATCH_H
#define MOE_DISPATCH_H

#include "route.h"

/* Selections that one expert takes of n rows: factor · n · k / experts, rounded
   up, at least config->min_capacity; SIZE_MAX where there is no limit. */
size_t moe_capacity(const moe_route_config *config, size_t n, size_t experts,
                    bool training);

/* Bytes of room that moe_limit needs. */
size_t moe_limit_room(size_t n, size_t experts);

/* Keeps each expert within the capacity, serving the rows in the configured
   order (in->seed is for the random one).  With overflow = drop all first
   choices are served before the second ones (as in GShard, arXiv 2006.16668):
   one that finds no room is marked as dropped, its weight 0, and the row's
   other weights stay.  With next_best (needs r->logits) each row in turn takes
   its best experts that have room, weighed among themselves.  Counts in
   r->dropped what found no room. */
void moe_limit(const moe_route_config *config, const moe_route_input *in,
               size_t capacity, void *room, moe_routing *r);

/* The selections by expert: those of expert e are slots[offsets[e]] …
   slots[offsets[e + 1] − 1], ascending; slot s is choice s % width of row
   s / width. */
typedef struct moe_dispatch {
  int64_t *counts;  /* experts */
  int64_t *offsets; /* experts + 1 */
  int64_t *slots;   /* n × width, of which offsets[experts] are used */
} moe_dispatch;
void moe_dispatch_sort(const moe_routing *r, moe_dispatch *out);

/* Whether r->logits must have room: rows are sent elsewhere by them, or the
   load loss of noisy selections asks for them. */
bool moe_route_needs_logits(const moe_route_config *config,
                            const moe_route_input *in);

/* All of it for the r->n rows of the input: selects, limits, and sorts. */
moe_status moe_route_batch(moe_call *call, const moe_route_config *config,
                           const moe_route_input *in, moe_routing *r,
                           moe_dispatch *out);

#endif
