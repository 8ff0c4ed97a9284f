/* The distinct texts of a column, in order of first appearance, and the code
   of each: its place in that order. */
#ifndef MOE_LEVELS_H
#define MOE_LEVELS_H

#include "memory.h"

typedef struct moe_levels {
  size_t n;
  char *text;     /* every level and its zero byte, one after the other */
  size_t *starts; /* n offsets into text */
  struct moe_level_slot *slots; /* a hash table, linear probing */
  size_t used, room, starts_room, n_slots;
} moe_levels;

/* Room for a text of `size` bytes, which the caller writes there next … */
moe_status moe_levels_room(moe_call *call, moe_levels *l, size_t size,
                           char **out);

/* … and the code of what was written: `size` bytes, fewer if need be, among
   them no zero byte. */
moe_status moe_levels_code(moe_call *call, moe_levels *l, size_t size,
                           int32_t *code);

/* Both for a text that lies elsewhere. */
moe_status moe_levels_code_of(moe_call *call, moe_levels *l, const char *text,
                              size_t size, int32_t *code);

void moe_levels_free(moe_levels *l);

#endif
