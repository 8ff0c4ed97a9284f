#include "levels.h"

#include <string.h>

typedef struct moe_level_slot {
  uint32_t hash;
  int32_t code; /* -1: free */
} slot;

/* Eight bytes at a time, each word folded in by a 128-bit product; the rest of
   the word is zero where the text ends, which its length tells apart. */
static uint32_t hash_of(const char *text, size_t size) {
  uint64_t h = 0x9e3779b97f4a7c15u ^ size;
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word = 0;
    __uint128_t product;
    memcpy(&word, text + i, size - i < 8 ? size - i : 8);
    product = (__uint128_t)(h ^ word) * 0xd6e8feb86659fd93u;
    h = (uint64_t)product ^ (uint64_t)(product >> 64);
  }
  return (uint32_t)(h ^ (h >> 32));
}

static void place(slot *slots, size_t n_slots, slot s) {
  size_t i = s.hash & (n_slots - 1);
  while (slots[i].code >= 0) i = (i + 1) & (n_slots - 1);
  slots[i] = s;
}

/* At least half of the slots stay free, so that probing is short and ends. */
static moe_status grow(moe_call *call, moe_levels *l) {
  size_t n_slots = l->n_slots != 0 ? moe_size(2, l->n_slots) : 16;
  slot *slots;
  if (2 * (l->n + 1) <= l->n_slots) return MOE_OK;
  MOE_TRY(moe_new_array(call, &slots, n_slots, sizeof *slots));
  for (size_t i = 0; i < n_slots; i++) slots[i].code = -1;
  for (size_t i = 0; i < l->n_slots; i++)
    if (l->slots[i].code >= 0) place(slots, n_slots, l->slots[i]);
  moe_free(l->slots);
  l->slots = slots;
  l->n_slots = n_slots;
  return MOE_OK;
}

moe_status moe_levels_room(moe_call *call, moe_levels *l, size_t size,
                           char **out) {
  MOE_TRY(moe_reserve(call, &l->text, &l->room, l->used, size + 1, 1));
  *out = l->text + l->used;
  return MOE_OK;
}

/* The text that lies behind the last level becomes one. */
static moe_status add(moe_call *call, moe_levels *l, size_t size, slot s) {
  if (l->n == INT32_MAX)
    return moe_fail(call, MOE_EDATA, "a column has too many distinct texts");
  MOE_TRY(moe_reserve(call, &l->starts, &l->starts_room, l->n, 1,
                      sizeof *l->starts));
  MOE_TRY(grow(call, l));
  place(l->slots, l->n_slots, s);
  l->starts[l->n++] = l->used;
  l->used += size + 1;
  return MOE_OK;
}

moe_status moe_levels_code(moe_call *call, moe_levels *l, size_t size,
                           int32_t *code) {
  char *text = l->text + l->used;
  uint32_t hash = hash_of(text, size);
  text[size] = '\0';
  *code = (int32_t)l->n;
  if (l->n_slots == 0) return add(call, l, size, (slot){hash, *code});
  for (size_t i = hash & (l->n_slots - 1); l->slots[i].code >= 0;
       i = (i + 1) & (l->n_slots - 1)) {
    slot s = l->slots[i];
    if (s.hash != hash || strcmp(l->text + l->starts[s.code], text) != 0)
      continue;
    *code = s.code;
    return MOE_OK;
  }
  return add(call, l, size, (slot){hash, *code});
}

moe_status moe_levels_code_of(moe_call *call, moe_levels *l, const char *text,
                              size_t size, int32_t *code) {
  char *room;
  MOE_TRY(moe_levels_room(call, l, size, &room));
  if (size != 0) memcpy(room, text, size);
  return moe_levels_code(call, l, size, code);
}

void moe_levels_free(moe_levels *l) {
  moe_free(l->text);
  moe_free(l->starts);
  moe_free(l->slots);
  *l = (moe_levels){0};
}
