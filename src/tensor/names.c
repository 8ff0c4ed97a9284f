#include "names.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static moe_status check_unique(moe_call *call, const moe_texts *texts) {
  char **sorted;
  MOE_SCRATCH(call, sorted, texts->n);
  if (texts->n == 0) return MOE_OK;
  memcpy(sorted, texts->items, texts->n * sizeof *sorted);
  qsort(sorted, texts->n, sizeof *sorted, compare);
  for (size_t i = 1; i < texts->n; i++)
    if (strcmp(sorted[i - 1], sorted[i]) == 0)
      return moe_fail(call, MOE_EARG, "names: '%s' names two columns",
                      sorted[i]);
  return MOE_OK;
}

/* The pointers and the bytes of all texts, in one block. */
static moe_status copy(moe_call *call, size_t n, const char *const *texts,
                       moe_texts *out) {
  size_t bytes = moe_size(n, sizeof(char *));
  char *end;
  for (size_t i = 0; i < n; i++) bytes += strlen(texts[i]) + 1;
  MOE_TRY(moe_new_array(call, &out->items, bytes, 1));
  end = (char *)(out->items + n);
  for (size_t i = 0; i < n; i++) {
    size_t size = strlen(texts[i]) + 1;
    out->items[i] = memcpy(end, texts[i], size);
    end += size;
  }
  out->n = n;
  return MOE_OK;
}

moe_status moe_names_new(moe_call *call, size_t n, const char *const *texts,
                         moe_names **out) {
  moe_names *names;
  moe_status status;
  *out = NULL;
  MOE_TRY(moe_new_array(call, &names, 1, sizeof *names));
  atomic_init(&names->refs, 1);
  status = copy(call, n, texts, &names->texts);
  if (status == MOE_OK) status = check_unique(call, &names->texts);
  if (status == MOE_OK)
    *out = names;
  else
    moe_names_release(names);
  return status;
}

moe_names *moe_names_retain(moe_names *names) {
  if (names != NULL)
    atomic_fetch_add_explicit(&names->refs, 1, memory_order_relaxed);
  return names;
}

void moe_names_release(moe_names *names) {
  if (names == NULL || atomic_fetch_sub(&names->refs, 1) > 1) return;
  moe_free(names->texts.items);
  moe_free(names);
}

bool moe_names_equal(const moe_names *a, const moe_names *b) {
  if (a == b) return true;
  if (a == NULL || b == NULL || a->texts.n != b->texts.n) return false;
  for (size_t i = 0; i < a->texts.n; i++)
    if (strcmp(a->texts.items[i], b->texts.items[i]) != 0) return false;
  return true;
}

moe_status moe_names_check(moe_call *call, const moe_names *names,
                           size_t columns) {
  if (names == NULL || names->texts.n == columns) return MOE_OK;
  return moe_fail(call, MOE_EARG, "names: %zu names for %zu columns",
                  names->texts.n, columns);
}
