#include "agenda.h"

static double gain_of(const moe_span *s) {
  return s->best.column >= 0 ? s->best.score - s->score : -1;
}

static bool comes_before(const moe_span *a, const moe_span *b) {
  double gain = gain_of(a), other = gain_of(b);
  return gain > other || (gain == other && a->first < b->first);
}

static void swap(moe_span *a, moe_span *b) {
  moe_span c = *a;
  *a = *b;
  *b = c;
}

static void rise(moe_span *items, size_t at) {
  while (at > 0 && comes_before(&items[at], &items[(at - 1) / 2])) {
    swap(&items[at], &items[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
}

static void sink(moe_span *items, size_t n) {
  for (size_t at = 0, child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && comes_before(&items[child + 1], &items[child]))
      child++;
    if (!comes_before(&items[child], &items[at])) return;
    swap(&items[at], &items[child]);
  }
}

void moe_agenda_rank(moe_agenda *a) {
  for (size_t i = a->n_ranked; i < a->n; i++) {
    if (!a->items[i].judged) continue;
    swap(&a->items[i], &a->items[a->n_ranked]);
    rise(a->items, a->n_ranked++);
  }
  if (a->n_ranked < a->n) return;
  swap(&a->items[0], &a->items[--a->n_ranked]);
  sink(a->items, a->n_ranked);
}
