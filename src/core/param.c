/* Parameters: from values into the params struct; param_read.c has the way
   back. A value becomes a cell (what the field will hold, owned), and cells
   replace fields only when all of them could be made. */
#include "param.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INTEGER 0x1p53

size_t moe__param_size(moe_kind kind) {
  static const size_t sizes[] = {[MOE_INT] = sizeof(int64_t),
                                 [MOE_REAL] = sizeof(double),
                                 [MOE_FLAG] = sizeof(bool),
                                 [MOE_CHOICE] = sizeof(int),
                                 [MOE_TEXT] = sizeof(char *),
                                 [MOE_INTS] = sizeof(moe_reals),
                                 [MOE_REALS] = sizeof(moe_reals),
                                 [MOE_TEXTS] = sizeof(moe_texts),
                                 [MOE_WEIGHTS] = sizeof(moe_weights),
                                 [MOE_CHILD] = sizeof(moe_object *),
                                 [MOE_CHILDREN] = sizeof(moe_children),
                                 [MOE_CALLBACK] = sizeof(bool)};
  return sizes[kind];
}

/* ------------------------------------------------------------ owned parts */

void moe__texts_free(moe_texts *t) {
  for (size_t i = 0; t->items != NULL && i < t->n; i++) moe_free(t->items[i]);
  moe_free(t->items);
  *t = (moe_texts){0};
}

static void free_weights(moe_weights *w) {
  for (size_t i = 0; w->labels != NULL && i < w->n; i++)
    moe_free(w->labels[i].text);
  moe_free(w->labels);
  moe_free(w->items);
  *w = (moe_weights){0};
}

void moe__children_free(moe_children *c) {
  moe_texts names = {c->names, c->n};
  moe__texts_free(&names);
  for (size_t i = 0; c->items != NULL && i < c->n; i++)
    moe_object_release(c->items[i]);
  moe_free(c->items);
  *c = (moe_children){0};
}

void moe__cell_free(const moe_param *p, moe_cell *cell) {
  switch (p->kind) {
    case MOE_TEXT: moe_free(cell->text); break;
    case MOE_INTS:
    case MOE_REALS: moe_free(cell->reals.items); break;
    case MOE_TEXTS: moe__texts_free(&cell->texts); break;
    case MOE_WEIGHTS: free_weights(&cell->weights); break;
    case MOE_CHILD: moe_object_release(cell->child); break;
    case MOE_CHILDREN: moe__children_free(&cell->children); break;
    default: break;
  }
  memset(cell, 0, sizeof *cell);
}

void moe__cell_default(const moe_param *p, moe_cell *cell) {
  memset(cell, 0, sizeof *cell);
  switch (p->kind) {
    case MOE_INT: cell->i = isnan(p->def) ? MOE_NO_INT : (int64_t)p->def; break;
    case MOE_REAL: cell->r = p->def; break;
    case MOE_FLAG: cell->flag = p->def != 0; break;
    case MOE_CHOICE: cell->choice = isnan(p->def) ? -1 : (int)p->def; break;
    default: break;
  }
}

void moe__cell_absent(const moe_param *p, moe_cell *cell) {
  memset(cell, 0, sizeof *cell);
  if (p->kind == MOE_INT) cell->i = MOE_NO_INT;
  if (p->kind == MOE_REAL) cell->r = NAN;
  if (p->kind == MOE_CHOICE) cell->choice = -1;
}

/* --------------------------------------------------------------- messages */

static void print_value(const moe_value *v, char *out, size_t size) {
  switch (v->kind) {
    case MOE_V_NIL: snprintf(out, size, "nil"); break;
    case MOE_V_FLAG:
      snprintf(out, size, "%s", v->flag ? "true" : "false");
      break;
    case MOE_V_NUMBER: snprintf(out, size, "%.15g", v->number); break;
    case MOE_V_TEXT: snprintf(out, size, "'%.60s'", v->text); break;
    case MOE_V_LIST: snprintf(out, size, "a list of %zu", v->n); break;
    case MOE_V_MAP: snprintf(out, size, "a table of %zu names", v->n); break;
    case MOE_V_OBJECT:
      snprintf(out, size, "a %s", v->object->type->name);
      break;
    case MOE_V_FUNCTION: snprintf(out, size, "a function"); break;
  }
}

/* "an integer in [1, 100]" for one number of the parameter. */
static void print_range(const moe_param *p, char *out, size_t size) {
  bool whole = p->kind == MOE_INT || p->kind == MOE_INTS;
  if (isfinite(p->max) && p->max < MAX_INTEGER)
    snprintf(out, size, "%s in %c%.15g, %.15g]",
             whole ? "an integer" : "a number",
             p->flags & MOE_ABOVE_MIN ? '(' : '[', p->min, p->max);
  else
    snprintf(out, size, "%s %s %.15g", whole ? "an integer" : "a number",
             p->flags & MOE_ABOVE_MIN ? "above" : "of at least", p->min);
}

static void print_allowed(const moe_param *p, char *out, size_t size) {
  size_t used = 0;
  char range[96];
  print_range(p, range, sizeof range);
  switch (p->kind) {
    case MOE_INT:
    case MOE_REAL: snprintf(out, size, "%s", range); break;
    case MOE_INTS:
    case MOE_REALS: snprintf(out, size, "a list, each %s", range); break;
    case MOE_WEIGHTS: snprintf(out, size, "label → %s", range); break;
    case MOE_FLAG: snprintf(out, size, "true or false"); break;
    case MOE_TEXT:
      snprintf(out, size, "a string without zero bytes%s",
               p->flags & MOE_OR_PLACE ? " or a place, counted from 1" : "");
      break;
    case MOE_TEXTS: snprintf(out, size, "a list of strings"); break;
    case MOE_CHILD: snprintf(out, size, "a %s", p->family); break;
    case MOE_CHILDREN:
      snprintf(out, size,
               "%ss: all by name (no '.' in it), or a list without holes, "
               "each object once",
               p->family);
      break;
    case MOE_CALLBACK: snprintf(out, size, "a function"); break;
    case MOE_CHOICE:
      for (size_t i = 0; p->choices[i] != NULL && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s'%s'",
                                 i > 0 ? ", " : "", p->choices[i]);
      break;
  }
}

static moe_status refuse(moe_call *call, const moe_object *o,
                         const moe_param *p, const moe_value *v) {
  char allowed[200], got[80];
  print_allowed(p, allowed, sizeof allowed);
  print_value(v, got, sizeof got);
  return moe_fail(call, MOE_EPARAM, "%s: '%s' must be %s%s; got %s",
                  o->type->name, p->name, allowed,
                  p->flags & MOE_OPTIONAL ? ", or absent" : "", got);
}

bool moe_param_is_default(const moe_object *o, const moe_param *p) {
  moe_cell cell;
  moe__cell_default(p, &cell);
  if (p->kind == MOE_REAL && isnan(cell.r))
    return isnan(*(const double *)moe__param_field(o, p));
  return memcmp(&cell, moe__param_field(o, p), moe__param_size(p->kind)) == 0;
}

/* ------------------------------------------------------- value into a cell */

static bool number_fits(const moe_param *p, double x) {
  bool whole = p->kind == MOE_INT || p->kind == MOE_INTS;
  if (!isfinite(x) || x < p->min || x > p->max) return false;
  if ((p->flags & MOE_ABOVE_MIN) && x == p->min) return false;
  return !whole || (x == floor(x) && fabs(x) <= MAX_INTEGER);
}

static moe_status no_memory(moe_call *call) {
  return moe_fail(call, MOE_ENOMEM, "not enough memory for a parameter");
}

static moe_status set_number(moe_call *call, const moe_object *o,
                             const moe_param *p, const moe_value *v,
                             moe_cell *cell) {
  if (v->kind != MOE_V_NUMBER || !number_fits(p, v->number))
    return refuse(call, o, p, v);
  if (p->kind == MOE_INT)
    cell->i = (int64_t)v->number;
  else
    cell->r = v->number;
  return MOE_OK;
}

static moe_status set_flag(moe_call *call, const moe_object *o,
                           const moe_param *p, const moe_value *v,
                           moe_cell *cell) {
  if (v->kind == MOE_V_FLAG)
    cell->flag = v->flag;
  else if (p->kind == MOE_CALLBACK && v->kind == MOE_V_FUNCTION)
    cell->flag = true;
  else
    return refuse(call, o, p, v);
  return MOE_OK;
}

static moe_status set_choice(moe_call *call, const moe_object *o,
                             const moe_param *p, const moe_value *v,
                             moe_cell *cell) {
  for (int i = 0; v->kind == MOE_V_TEXT && p->choices[i] != NULL; i++)
    if (strcmp(p->choices[i], v->text) == 0) {
      cell->choice = i;
      return MOE_OK;
    }
  return refuse(call, o, p, v);
}

static moe_status set_text(moe_call *call, const moe_object *o,
                           const moe_param *p, const moe_value *v,
                           moe_cell *cell) {
  char place[24];
  bool counted = (p->flags & MOE_OR_PLACE) && v->kind == MOE_V_NUMBER &&
                 v->number >= 1 && v->number <= INT32_MAX &&
                 v->number == floor(v->number);
  if (!counted && v->kind != MOE_V_TEXT) return refuse(call, o, p, v);
  if (counted) snprintf(place, sizeof place, "%.0f", v->number);
  cell->text = moe_copy_text(counted ? place : v->text);
  return cell->text != NULL ? MOE_OK : no_memory(call);
}

static moe_status set_reals(moe_call *call, const moe_object *o,
                            const moe_param *p, const moe_value *v,
                            moe_cell *cell) {
  if (v->kind != MOE_V_LIST) return refuse(call, o, p, v);
  MOE_TRY(moe_new_array(call, &cell->reals.items, v->n, sizeof(double)));
  cell->reals.n = v->n;
  for (size_t i = 0; i < v->n; i++) {
    const moe_value *item = &v->items[i];
    if (item->kind != MOE_V_NUMBER || !number_fits(p, item->number))
      return refuse(call, o, p, item);
    cell->reals.items[i] = item->number;
  }
  return MOE_OK;
}

static moe_status set_texts(moe_call *call, const moe_object *o,
                            const moe_param *p, const moe_value *v,
                            moe_cell *cell) {
  if (v->kind != MOE_V_LIST) return refuse(call, o, p, v);
  MOE_TRY(moe_new_array(call, &cell->texts.items, v->n, sizeof(char *)));
  cell->texts.n = v->n;
  for (size_t i = 0; i < v->n; i++) {
    if (v->items[i].kind != MOE_V_TEXT) return refuse(call, o, p, &v->items[i]);
    cell->texts.items[i] = moe_copy_text(v->items[i].text);
    if (cell->texts.items[i] == NULL) return no_memory(call);
  }
  return MOE_OK;
}

/* An empty Lua table arrives as an empty list: no weights. */
static moe_status set_weights(moe_call *call, const moe_object *o,
                              const moe_param *p, const moe_value *v,
                              moe_cell *cell) {
  moe_weights *w = &cell->weights;
  bool list = v->kind == MOE_V_LIST; /* the labels are 1, 2, … */
  if (v->kind != MOE_V_MAP && !list) return refuse(call, o, p, v);
  MOE_TRY(moe_new_array(call, &w->items, v->n, sizeof *w->items));
  MOE_TRY(moe_new_array(call, &w->labels, v->n, sizeof *w->labels));
  w->n = v->n;
  for (size_t i = 0; i < v->n; i++) {
    moe_value number = moe_number_value((double)i + 1);
    const moe_value *item = &v->items[i];
    if (item->kind != MOE_V_NUMBER || !number_fits(p, item->number))
      return refuse(call, o, p, item);
    w->items[i] = item->number;
    MOE_TRY(moe_label_new(call, list ? &number : &v->keys[i], &w->labels[i]));
  }
  return MOE_OK;
}

static moe_status check_child(moe_call *call, const moe_object *o,
                              const moe_param *p, const moe_value *v) {
  if (v->kind == MOE_V_OBJECT &&
      strcmp(v->object->type->family, p->family) == 0)
    return MOE_OK;
  return refuse(call, o, p, v);
}

static moe_status set_child(moe_call *call, const moe_object *o,
                            const moe_param *p, const moe_value *v,
                            moe_cell *cell) {
  MOE_TRY(check_child(call, o, p, v));
  cell->child = moe_object_retain(v->object);
  return MOE_OK;
}

static bool name_fits(const moe_value *key) {
  if (key->kind != MOE_V_TEXT || key->text[0] == '\0') return false;
  for (const char *c = key->text; *c != '\0'; c++)
    if (*c == '.' || (unsigned char)*c < ' ' || *c == 0x7f) return false;
  return true;
}

static int compare_names(const void *a, const void *b) {
  const moe_value *const *x = a, *const *y = b;
  return strcmp((*x)->text, (*y)->text);
}

/* The map's keys ordered by byte, as pointers into it. */
static moe_status order_names(moe_call *call, const moe_object *o,
                              const moe_param *p, const moe_value *v,
                              const moe_value ***out) {
  MOE_SCRATCH(call, *out, v->n);
  for (size_t i = 0; i < v->n; i++) {
    if (!name_fits(&v->keys[i])) return refuse(call, o, p, &v->keys[i]);
    (*out)[i] = &v->keys[i];
  }
  qsort(*out, v->n, sizeof **out, compare_names);
  return MOE_OK;
}

static moe_status set_children(moe_call *call, const moe_object *o,
                               const moe_param *p, const moe_value *v,
                               moe_cell *cell) {
  moe_children *c = &cell->children;
  const moe_value **order = NULL;
  bool list = v->kind == MOE_V_LIST;
  if (v->kind != MOE_V_MAP && !list) return refuse(call, o, p, v);
  if (!list) MOE_TRY(order_names(call, o, p, v, &order));
  MOE_TRY(moe_new_array(call, &c->names, v->n, sizeof *c->names));
  MOE_TRY(moe_new_array(call, &c->items, v->n, sizeof *c->items));
  c->n = v->n;
  c->numbered = list;
  for (size_t i = 0; i < v->n; i++) {
    const moe_value *item = list ? &v->items[i] : &v->items[order[i] - v->keys];
    char number[24];
    snprintf(number, sizeof number, "%zu", i + 1);
    MOE_TRY(check_child(call, o, p, item));
    for (size_t j = 0; j < i; j++)
      if (c->items[j] == item->object) return refuse(call, o, p, item);
    c->names[i] = moe_copy_text(list ? number : order[i]->text);
    if (c->names[i] == NULL) return no_memory(call);
    c->items[i] = moe_object_retain(item->object);
  }
  return MOE_OK;
}

static moe_status set_cell(moe_call *call, const moe_object *o,
                           const moe_param *p, const moe_value *v,
                           moe_cell *cell) {
  typedef moe_status setter(moe_call *, const moe_object *, const moe_param *,
                            const moe_value *, moe_cell *);
  static setter *const setters[] = {
      [MOE_INT] = set_number,        [MOE_REAL] = set_number,
      [MOE_FLAG] = set_flag,         [MOE_CHOICE] = set_choice,
      [MOE_TEXT] = set_text,         [MOE_INTS] = set_reals,
      [MOE_REALS] = set_reals,       [MOE_TEXTS] = set_texts,
      [MOE_WEIGHTS] = set_weights,   [MOE_CHILD] = set_child,
      [MOE_CHILDREN] = set_children, [MOE_CALLBACK] = set_flag};
  bool none = v->kind == MOE_V_NIL || (v->kind == MOE_V_FLAG && !v->flag);
  if (none && (p->flags & MOE_OPTIONAL)) {
    moe__cell_absent(p, cell);
    return MOE_OK;
  }
  return setters[p->kind](call, o, p, v, cell);
}

/* ------------------------------------------------------------------- paths */

const moe_param *moe_type_find_param(const moe_type *type, const char *name) {
  for (const moe_param *p = type->params; p->name != NULL; p++)
    if (strcmp(p->name, name) == 0) return p;
  return NULL;
}

static moe_status refuse_name(moe_call *call, const moe_object *o,
                              const char *name) {
  const char *known[64], *nearest;
  size_t n = 0;
  for (const moe_param *p = o->type->params; p->name != NULL && n < 64; p++)
    known[n++] = p->name;
  nearest = moe_nearest_name(name, known, n);
  if (nearest != NULL)
    return moe_fail(call, MOE_EPARAM,
                    "%s: unknown parameter '%.60s'; did you mean '%s'?",
                    o->type->name, name, nearest);
  return moe_fail(call, MOE_EPARAM, "%s: unknown parameter '%.60s'",
                  o->type->name, name);
}

/* The child called by the path's first part of a children parameter. */
static moe_object *step_into(const moe_object *o, const moe_param *p,
                             const char **rest) {
  const moe_children *c = moe__param_field(o, p);
  size_t length = strcspn(*rest, ".");
  if (p->kind == MOE_CHILD) return *(moe_object **)moe__param_field(o, p);
  for (size_t i = 0; p->kind == MOE_CHILDREN && i < c->n; i++)
    if (strlen(c->names[i]) == length &&
        memcmp(c->names[i], *rest, length) == 0) {
      *rest += length + ((*rest)[length] == '.');
      return c->items[i];
    }
  return NULL;
}

moe_status moe_object_resolve(moe_call *call, moe_object **o, const char *path,
                              const moe_param **out) {
  for (;;) {
    char name[64];
    size_t length = strcspn(path, ".");
    const char *rest = path + length + 1;
    snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), path);
    *out = moe_type_find_param((*o)->type, name);
    if (*out == NULL) return refuse_name(call, *o, name);
    if (path[length] == '\0') return MOE_OK;
    moe_object *child = step_into(*o, *out, &rest);
    if (child == NULL || *rest == '\0')
      return moe_fail(call, MOE_EPARAM, "%s: no parameter at '%.80s'",
                      (*o)->type->name, path);
    *o = child;
    path = rest;
  }
}

/* -------------------------------------------------------------------- sets */

typedef struct change {
  moe_object *object;
  const moe_param *param;
  moe_cell cell;
} change;

/* Room for the objects that a change brings; `more`: those that others do. */
static moe_status make_room(moe_call *call, const change *c, size_t *more) {
  moe_object *o = c->object;
  if (c->param->kind == MOE_CHILD) ++*more;
  if (c->param->kind == MOE_CHILDREN) *more += c->cell.children.n;
  return moe_reserve(call, &o->below, &o->room_below, o->n_below, *more,
                     sizeof(moe_object *));
}

static moe_status prepare(moe_call *call, moe_object *o, const moe_value *map,
                          change *changes) {
  size_t more = 0;
  for (size_t i = 0; i < map->n; i++) {
    change *c = &changes[i];
    moe_object *owner = o;
    const moe_param *param;
    if (map->keys[i].kind != MOE_V_TEXT)
      return moe_fail(call, MOE_EPARAM,
                      "%s: parameters are given by name, got one without",
                      o->type->name);
    MOE_TRY(moe_object_resolve(call, &owner, map->keys[i].text, &param));
    MOE_TRY(moe_object_check_idle(call, owner, true));
    c->object = owner;
    c->param = param;
    MOE_TRY(set_cell(call, owner, param, &map->items[i], &c->cell));
    if (param->family != NULL) MOE_TRY(make_room(call, c, &more));
  }
  return MOE_OK;
}

/* Exchanges cell and field, so that the cell holds what was there before. */
static void exchange(change *c) {
  moe_cell before = {0};
  size_t size = moe__param_size(c->param->kind);
  void *field = moe__param_field(c->object, c->param);
  memcpy(&before, field, size);
  memcpy(field, &c->cell, size);
  c->cell = before;
  moe_object_count_change(c->object);
  if (c->param->family != NULL) moe__object_gather(c->object);
}

static bool place(const change *c, bool move) {
  return c->param->family == NULL || moe__object_place(c->object, move);
}

static void settle(const change *c) {
  const moe_type *type = c->object->type;
  place(c, true);
  if (c->param->kind == MOE_CHILDREN && type->replaced != NULL)
    type->replaced(c->object, c->param, &c->cell.children);
}

/* Makes all changes, or takes them back where an object would be nested too
   deeply, as it is in itself. */
static moe_status apply(moe_call *call, change *changes, size_t n) {
  const change *bad = NULL;
  for (size_t i = 0; i < n; i++) exchange(&changes[i]);
  for (size_t i = 0; i < n && bad == NULL; i++)
    if (!place(&changes[i], false)) bad = &changes[i];
  for (size_t i = 0; i < n && bad == NULL; i++) settle(&changes[i]);
  if (bad == NULL) return MOE_OK;
  for (size_t i = n; i > 0; i--) exchange(&changes[i - 1]);
  return moe_fail(call, MOE_EPARAM,
                  "%s: '%s' would contain itself, or objects nested more than "
                  "%d deep",
                  bad->object->type->name, bad->param->name, MOE_DEEPEST);
}

moe_status moe_object_set(moe_call *call, moe_object *o, const moe_value *map) {
  change *changes;
  moe_status status;
  if (map->n == 0) return MOE_OK;
  if (map->kind != MOE_V_MAP)
    return moe_fail(call, MOE_EPARAM, "%s: parameters are given by name",
                    o->type->name);
  MOE_SCRATCH(call, changes, map->n);
  status = prepare(call, o, map, changes);
  if (status == MOE_OK) status = apply(call, changes, map->n);
  for (size_t i = 0; i < map->n && changes[i].param != NULL; i++)
    moe__cell_free(changes[i].param, &changes[i].cell);
  return status;
}
