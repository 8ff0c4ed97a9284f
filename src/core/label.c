/* Labels as the user gave them, and the names that a misspelt one may mean. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "object.h"

int moe_label_compare(const moe_label *a, const moe_label *b) {
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->kind == MOE_L_TEXT) return strcmp(a->text, b->text);
  return (a->number > b->number) - (a->number < b->number);
}

void moe_label_print(const moe_label *label, char *out, size_t size) {
  switch (label->kind) {
    case MOE_L_TEXT: snprintf(out, size, "%s", label->text); break;
    case MOE_L_NUMBER: snprintf(out, size, "%.15g", label->number); break;
    case MOE_L_FLAG:
      snprintf(out, size, "%s", label->number != 0 ? "true" : "false");
      break;
  }
}

moe_value moe_label_value(const moe_label *label) {
  if (label->kind == MOE_L_TEXT) return moe_text_value(label->text);
  if (label->kind == MOE_L_FLAG) return moe_flag_value(label->number != 0);
  return moe_number_value(label->number);
}

moe_status moe_label_new(moe_call *call, const moe_value *v, moe_label *out) {
  *out = (moe_label){.kind = MOE_L_NUMBER, .number = v->number};
  if (v->kind == MOE_V_NUMBER && !isnan(v->number)) return MOE_OK;
  if (v->kind == MOE_V_FLAG) {
    *out = (moe_label){.kind = MOE_L_FLAG, .number = v->flag};
    return MOE_OK;
  }
  if (v->kind != MOE_V_TEXT)
    return moe_fail(call, MOE_EARG,
                    "a label must be a string, a number or a boolean");
  *out = (moe_label){.kind = MOE_L_TEXT, .text = moe_copy_text(v->text)};
  return out->text != NULL
             ? MOE_OK
             : moe_fail(call, MOE_ENOMEM, "not enough memory for a label");
}

void moe_labels_free(moe_labels *l) {
  for (size_t i = 0; l->items != NULL && i < l->n; i++)
    moe_free(l->items[i].text);
  moe_free(l->items);
  *l = (moe_labels){0};
}

moe_status moe_labels_copy(moe_call *call, const moe_labels *from,
                           moe_labels *to) {
  *to = (moe_labels){0};
  MOE_TRY(moe_new_array(call, &to->items, from->n, sizeof *to->items));
  to->n = from->n;
  for (size_t i = 0; i < from->n; i++) {
    moe_value value = moe_label_value(&from->items[i]);
    if (moe_label_new(call, &value, &to->items[i]) != MOE_OK) {
      moe_labels_free(to);
      return call->error.status;
    }
  }
  return MOE_OK;
}

ptrdiff_t moe_labels_find(const moe_labels *l, const moe_label *label) {
  for (size_t low = 0, high = l->n; low < high;) {
    size_t middle = (low + high) / 2;
    int order = moe_label_compare(label, &l->items[middle]);
    if (order == 0) return (ptrdiff_t)middle;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return -1;
}

moe_status moe_labels_add(moe_call *call, moe_labels *l, const moe_label *label,
                          ptrdiff_t *place) {
  moe_value value = moe_label_value(label);
  moe_label *items, copy;
  size_t at = 0;
  if (place != NULL) *place = -1;
  if (moe_labels_find(l, label) >= 0) return MOE_OK;
  while (at < l->n && moe_label_compare(&l->items[at], label) < 0) at++;
  items = moe_resize(l->items, l->n + 1, sizeof *items);
  if (items == NULL)
    return moe_fail(call, MOE_ENOMEM, "not enough memory for a label");
  l->items = items;
  MOE_TRY(moe_label_new(call, &value, &copy));
  memmove(items + at + 1, items + at, (l->n - at) * sizeof *items);
  items[at] = copy;
  l->n++;
  if (place != NULL) *place = (ptrdiff_t)at;
  return MOE_OK;
}

void moe_labels_remove(moe_labels *l, size_t place) {
  moe_free(l->items[place].text);
  l->n--;
  memmove(l->items + place, l->items + place + 1,
          (l->n - place) * sizeof *l->items);
}

enum { LONGEST_NAME = 63 };

/* Levenshtein's distance, a row at a time; long names are never near. */
static size_t distance(const char *a, const char *b) {
  size_t row[LONGEST_NAME + 1], n = strlen(b);
  if (n > LONGEST_NAME || strlen(a) > LONGEST_NAME) return SIZE_MAX;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 0; a[i] != '\0'; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < n; j++) {
      size_t change = diagonal + (a[i] != b[j]);
      size_t edge = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
      diagonal = row[j + 1];
      row[j + 1] = change < edge ? change : edge;
    }
  }
  return row[n];
}

const char *moe_nearest_name(const char *name, const char *const *known,
                             size_t n) {
  size_t best = 1 + (strlen(name) + 1) / 3;
  const char *nearest = NULL;
  for (size_t i = 0; i < n; i++) {
    size_t d = distance(name, known[i]);
    if (d < best || (d == best && nearest == NULL)) {
      best = d;
      nearest = known[i];
    }
  }
  return nearest;
}
