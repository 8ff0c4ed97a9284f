/* Values to JSON and back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum {
  DEEPEST = 64,
  MOST_VALUES = 1 << 23 /* in one text: what they take is bounded */
};

/* ------------------------------------------------------------------ writing */

static void put_value(moe_json_out *j, const moe_value *v, int depth);

static void refuse(moe_json_out *j, const char *message) {
  if (j->status == MOE_OK)
    j->status = moe_fail(j->call, MOE_EARG, "%s", message);
}

static void put_number(moe_json_out *j, double x) {
  if (isfinite(x)) {
    moe_json_put_number(j, x);
    return;
  }
  moe_json_put(j, "{\"@number\":");
  moe_json_put_text(j, isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
  moe_json_put(j, "}");
}

static void put_text(moe_json_out *j, const char *text) {
  char digits[3];
  if (moe_utf8_valid(text)) {
    moe_json_put_text(j, text);
    return;
  }
  moe_json_put(j, "{\"@bytes\":\"");
  for (; *text != 0; text++) {
    snprintf(digits, sizeof digits, "%02x", (unsigned)(unsigned char)*text);
    moe_json_put(j, digits);
  }
  moe_json_put(j, "\"}");
}

static void put_list(moe_json_out *j, const moe_value *v, int depth) {
  moe_json_put(j, "[");
  for (size_t i = 0; i < v->n; i++) {
    moe_json_put_comma(j);
    put_value(j, &v->items[i], depth);
  }
  moe_json_put(j, "]");
}

static int compare_keys(const void *a, const void *b) {
  const moe_value *x = *(const moe_value *const *)a;
  const moe_value *y = *(const moe_value *const *)b;
  if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
  if (x->kind == MOE_V_TEXT) return strcmp(x->text, y->text);
  if (x->kind == MOE_V_FLAG) return x->flag - y->flag;
  return (x->number > y->number) - (x->number < y->number);
}

/* The keys of a map in one order, whatever that of the host: the same map gives
   the same text. */
static const moe_value **order_keys(moe_json_out *j, const moe_value *map) {
  const moe_value **keys = moe_scratch(j->call, map->n, sizeof *keys);
  if (keys == NULL) {
    j->status = MOE_ENOMEM;
    return NULL;
  }
  for (size_t i = 0; i < map->n; i++) keys[i] = &map->keys[i];
  qsort(keys, map->n, sizeof *keys, compare_keys);
  return keys;
}

static void put_map(moe_json_out *j, const moe_value *v, int depth) {
  const moe_value **keys = order_keys(j, v);
  moe_json_put(j, "{");
  for (size_t i = 0; keys != NULL && i < v->n; i++) {
    moe_json_put_key(j, keys[i]->text);
    put_value(j, &v->items[keys[i] - v->keys], depth);
  }
  moe_json_put(j, "}");
}

static void put_pairs(moe_json_out *j, const moe_value *v, int depth) {
  const moe_value **keys = order_keys(j, v);
  moe_json_put(j, "{\"@pairs\":[");
  for (size_t i = 0; keys != NULL && i < v->n; i++) {
    moe_json_put_comma(j);
    moe_json_put(j, "[");
    put_value(j, keys[i], depth);
    moe_json_put_comma(j);
    put_value(j, &v->items[keys[i] - v->keys], depth);
    moe_json_put(j, "]");
  }
  moe_json_put(j, "]}");
}

static bool is_plain(const moe_value *map) {
  for (size_t i = 0; i < map->n; i++)
    if (map->keys[i].kind != MOE_V_TEXT || map->keys[i].text[0] == '@' ||
        !moe_utf8_valid(map->keys[i].text))
      return false;
  return true;
}

static void put_value(moe_json_out *j, const moe_value *v, int depth) {
  if (j->status != MOE_OK) return;
  if (depth > DEEPEST) refuse(j, "values nested too deeply for a file");
  switch (v->kind) {
    case MOE_V_NIL: moe_json_put(j, "null"); break;
    case MOE_V_FLAG: moe_json_put_flag(j, v->flag); break;
    case MOE_V_NUMBER: put_number(j, v->number); break;
    case MOE_V_TEXT: put_text(j, v->text); break;
    case MOE_V_LIST: put_list(j, v, depth + 1); break;
    case MOE_V_MAP: (is_plain(v) ? put_map : put_pairs)(j, v, depth + 1); break;
    case MOE_V_OBJECT: refuse(j, "an object is not plain data"); break;
    case MOE_V_FUNCTION: refuse(j, "a function is not plain data"); break;
  }
}

void moe_json_put_value(moe_json_out *j, const moe_value *v) {
  put_value(j, v, 0);
}

moe_status moe_json_print(moe_call *call, const moe_value *v, char **out) {
  moe_json_out j = {.call = call};
  *out = NULL;
  moe_json_put_value(&j, v);
  if (j.status == MOE_OK)
    *out = j.text;
  else
    moe_free(j.text);
  return j.status;
}

/* ------------------------------------------------------------------ reading */

/* The values read so far of all lists and maps that are still open; those of a
   map are keys and items by turns. */
typedef struct parser {
  moe_json_in *json;
  moe_value *open;
  size_t n, room;
  size_t total;
  int depth;
} parser;

static moe_status read_value(parser *p, moe_value *out);

static moe_status keep(parser *p, const moe_value *v) {
  if (++p->total > MOST_VALUES)
    return moe_json_fail(p->json, "too many values before");
  MOE_TRY(
      moe_reserve(p->json->call, &p->open, &p->room, p->n, 1, sizeof *p->open));
  p->open[p->n++] = *v;
  return MOE_OK;
}

static moe_status read_item(void *self, void *to) {
  parser *p = self;
  moe_value item;
  (void)to;
  MOE_TRY(read_value(p, &item));
  return keep(p, &item);
}

static moe_status read_entry(void *self, void *to) {
  parser *p = self;
  moe_value key;
  char *text;
  MOE_TRY(moe_json_key(p->json, &text));
  key = moe_text_value(text);
  MOE_TRY(keep(p, &key));
  return read_item(p, to);
}

static moe_status read_list(parser *p, moe_value *out) {
  size_t base = p->n;
  MOE_TRY(moe_json_each(p->json, "[]", read_item, p, NULL));
  MOE_TRY(moe_list_value(p->json->call, p->n - base, out));
  for (size_t i = 0; i < out->n; i++) out->items[i] = p->open[base + i];
  p->n = base;
  return MOE_OK;
}

/* Hexadecimal digits to the bytes they stand for, in place. */
static moe_status decode_bytes(parser *p, const moe_value *v, moe_value *out) {
  static const char digits[] = "0123456789abcdef";
  char *to = (char *)v->text, *from = to; /* in the reader's own text */
  if (v->kind != MOE_V_TEXT)
    return moe_json_fail(p->json, "expected digits before");
  for (; *from != 0; from += 2) {
    const char *high = strchr(digits, from[0]);
    const char *low = from[1] != 0 ? strchr(digits, from[1]) : NULL;
    if (high == NULL || low == NULL || (high == digits && low == digits))
      return moe_json_fail(p->json, "expected bytes other than 0 before");
    *to++ = (char)((high - digits) * 16 + (low - digits));
  }
  *to = 0;
  *out = *v;
  return MOE_OK;
}

static moe_status decode_number(parser *p, const moe_value *v, moe_value *out) {
  static const struct {
    const char *text;
    double number;
  } known[] = {{"inf", INFINITY}, {"-inf", -INFINITY}, {"nan", NAN}};
  for (size_t i = 0; v->kind == MOE_V_TEXT && i < 3; i++)
    if (strcmp(known[i].text, v->text) == 0) {
      *out = moe_number_value(known[i].number);
      return MOE_OK;
    }
  return moe_json_fail(p->json, "expected inf, -inf or nan before");
}

static moe_status decode_pairs(parser *p, const moe_value *v, moe_value *out) {
  moe_value map;
  if (v->kind != MOE_V_LIST)
    return moe_json_fail(p->json, "expected pairs before");
  MOE_TRY(moe_map_value(p->json->call, v->n, &map));
  for (size_t i = 0; i < v->n; i++) {
    const moe_value *pair = &v->items[i];
    if (pair->kind != MOE_V_LIST || pair->n != 2 ||
        pair->items[0].kind == MOE_V_LIST || pair->items[0].kind == MOE_V_MAP ||
        pair->items[0].kind == MOE_V_NIL)
      return moe_json_fail(p->json, "expected pairs before");
    map.keys[i] = pair->items[0];
    map.items[i] = pair->items[1];
  }
  *out = map;
  return MOE_OK;
}

/* What a map whose first key begins with '@' stands for. */
static moe_status decode(parser *p, const moe_value *entry, size_t n,
                         moe_value *out) {
  static const struct {
    const char *key;
    moe_status (*decode)(parser *, const moe_value *, moe_value *);
  } notations[] = {{"@bytes", decode_bytes},
                   {"@number", decode_number},
                   {"@pairs", decode_pairs}};
  for (size_t i = 0; n == 2 && i < 3; i++)
    if (strcmp(notations[i].key, entry[0].text) == 0)
      return notations[i].decode(p, &entry[1], out);
  return moe_json_fail(p->json, "an unknown notation before");
}

static moe_status read_map(parser *p, moe_value *out) {
  size_t base = p->n, n;
  const moe_value *entries;
  MOE_TRY(moe_json_each(p->json, "{}", read_entry, p, NULL));
  n = p->n - base;
  p->n = base;
  entries = p->open + base;
  if (n > 0 && entries[0].text[0] == '@') return decode(p, entries, n, out);
  MOE_TRY(moe_map_value(p->json->call, n / 2, out));
  for (size_t i = 0; i < out->n; i++) {
    out->keys[i] = entries[2 * i];
    out->items[i] = entries[2 * i + 1];
  }
  return MOE_OK;
}

static moe_status read_text(parser *p, moe_value *out) {
  char *text;
  MOE_TRY(moe_json_text(p->json, &text));
  *out = moe_text_value(text);
  return MOE_OK;
}

static moe_status read_nested(parser *p, moe_value *out) {
  bool list = moe_json_peek(p->json) == MOE_J_LIST;
  moe_status status;
  if (p->depth == DEEPEST)
    return moe_json_fail(p->json, "values nested too deeply");
  p->depth++;
  status = list ? read_list(p, out) : read_map(p, out);
  p->depth--;
  return status;
}

static moe_status read_value(parser *p, moe_value *out) {
  *out = (moe_value){.kind = MOE_V_NIL};
  switch (moe_json_peek(p->json)) {
    case MOE_J_NULL: return moe_json_null(p->json);
    case MOE_J_FLAG:
      out->kind = MOE_V_FLAG;
      return moe_json_flag(p->json, &out->flag);
    case MOE_J_NUMBER:
      out->kind = MOE_V_NUMBER;
      return moe_json_number(p->json, &out->number);
    case MOE_J_TEXT: return read_text(p, out);
    case MOE_J_LIST:
    case MOE_J_MAP: return read_nested(p, out);
    default: return moe_json_fail(p->json, "expected a value");
  }
}

moe_status moe_json_value(moe_json_in *j, moe_value *out) {
  parser p = {.json = j};
  moe_status status = read_value(&p, out);
  moe_free(p.open);
  return status;
}

static moe_status skip_value(moe_json_in *j, int depth);

static moe_status skip_nested(moe_json_in *j, char closing, int depth) {
  bool more;
  char *key;
  if (depth == DEEPEST) return moe_json_fail(j, "values nested too deeply");
  MOE_TRY(moe_json_open(j, closing == '}' ? '{' : '['));
  for (;;) {
    MOE_TRY(moe_json_next(j, closing, &more));
    if (!more) return MOE_OK;
    if (closing == '}') MOE_TRY(moe_json_key(j, &key));
    MOE_TRY(skip_value(j, depth + 1));
  }
}

static moe_status skip_value(moe_json_in *j, int depth) {
  char *text;
  double number;
  bool flag;
  switch (moe_json_peek(j)) {
    case MOE_J_NULL: return moe_json_null(j);
    case MOE_J_FLAG: return moe_json_flag(j, &flag);
    case MOE_J_NUMBER: return moe_json_number(j, &number);
    case MOE_J_TEXT: return moe_json_text(j, &text);
    case MOE_J_LIST: return skip_nested(j, ']', depth);
    case MOE_J_MAP: return skip_nested(j, '}', depth);
    default: return moe_json_fail(j, "expected a value");
  }
}

moe_status moe_json_skip(moe_json_in *j) { return skip_value(j, 0); }

moe_status moe_json_parse(moe_call *call, const char *text, moe_value *out) {
  size_t size = strlen(text);
  moe_json_in j;
  char *own;
  *out = (moe_value){.kind = MOE_V_NIL};
  MOE_SCRATCH(call, own, size + 1);
  memcpy(own, text, size);
  j = moe_json_reader(call, "the text", own, size);
  MOE_TRY(moe_json_value(&j, out));
  return moe_json_end(&j);
}
