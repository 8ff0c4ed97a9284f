/* What the generic object does for a type with a field of every kind. */
#include "thing.h"

/* ------------------------------------------------------------------- states */

static void learn(moe_object *o) {
  const moe_value label = moe_text_value("yes");
  state *s;
  moe_label yes;
  moe_state_new(&call, o->type, &o->state);
  s = o->state;
  s->seen = 11;
  s->fixed = moe_alloc(4, sizeof *s->fixed);
  s->fixed[3] = 0.25;
  s->length = 5;
  s->growing = moe_alloc(5, sizeof *s->growing);
  s->growing[4] = 1.5F;
  s->notes.items = moe_alloc(2, sizeof *s->notes.items);
  s->notes.n = 2;
  s->notes.items[0] = moe_copy_text("one");
  s->notes.items[1] = moe_copy_text("");
  moe_label_new(&call, &label, &yes);
  moe_labels_add(&call, &s->labels, &yes, NULL);
  moe_free(yes.text);
  s->derived = moe_alloc(3, sizeof *s->derived);
  s->derived[2] = -7;
}

static bool same_state(const state *a, const state *b) {
  EXPECT(a->seen == b->seen && a->length == b->length);
  EXPECT(a->fixed != b->fixed && a->fixed[3] == b->fixed[3]);
  EXPECT(a->growing != b->growing && a->growing[4] == b->growing[4]);
  EXPECT(a->notes.n == b->notes.n && a->notes.items != b->notes.items);
  EXPECT(a->notes.items[0] != b->notes.items[0]);
  EXPECT(strcmp(a->notes.items[0], b->notes.items[0]) == 0);
  EXPECT(a->labels.n == 1 && b->labels.n == 1);
  EXPECT(a->labels.items[0].text != b->labels.items[0].text);
  EXPECT(moe_label_compare(&a->labels.items[0], &b->labels.items[0]) == 0);
  EXPECT(a->derived != b->derived && a->derived[2] == b->derived[2]);
  return true;
}

static bool clones(void) {
  moe_object *a, *child, *o = new_family(&a, &child), *copy;
  set(o, "label", text("original"));
  set(o, "sizes", list(2, number(5), number(6)));
  set(o, "words", list(1, text("w"), nothing()));
  set(o, "weights", map_of("yes", number(2), NULL, nothing()));
  set(o, "seed", number(3));
  set(o, "seed", nothing());
  learn(o);
  learn(a);
  EXPECT(moe_object_clone(&call, o, &copy) == MOE_OK);
  const params *p = o->params, *q = copy->params;
  EXPECT(q->label != p->label && strcmp(q->label, "original") == 0);
  EXPECT(q->sizes.items != p->sizes.items && q->sizes.items[1] == 6);
  EXPECT(q->words.items[0] != p->words.items[0]);
  EXPECT(q->weights.items[0] == 2 && q->seed == MOE_NO_INT);
  EXPECT(q->child != p->child && q->parts.items[0] != p->parts.items[0]);
  EXPECT(same_state(o->state, copy->state));
  EXPECT(same_state(a->state, q->parts.items[0]->state));
  EXPECT(q->child->state == NULL);
  moe_object_release(o);
  ((state *)copy->state)->fixed[3] = 1;
  moe_object_release(copy);
  EXPECT(clean());
  return true;
}

static bool tells_doings(void) {
  moe_object *a, *child, *o = new_family(&a, &child);
  uint64_t own = moe_object_doings(o), below = moe_object_doings_below(o);
  EXPECT(own == moe_object_changes(o) && own == 2 * MOE_CHANGE && below == 0);
  moe_object_use(o, 1);
  moe_object_use_alone(a, (1 << 26) - 2);
  moe_object_mark_fitting(o, true);
  moe_object_mark_fitting(o, true);
  EXPECT(moe_object_is_used(a) && moe_object_is_fitting(child));
  EXPECT(moe_object_doings(o) != own && moe_object_doings_below(o) != below);
  EXPECT(moe_object_changes(o) == own && moe_object_changes(a) == 0);
  EXPECT(moe_object_changes_below(o) == below);
  moe_object_mark_fitting(o, false);
  EXPECT(moe_object_is_used(a) && !moe_object_is_fitting(child));
  moe_object_use_alone(a, 2 - (1 << 26));
  moe_object_use(o, -1);
  EXPECT(moe_object_doings(o) == own && moe_object_doings_below(o) == below);
  EXPECT(set(a, "count", number(4)) == MOE_OK);
  moe_state_free(&thing, moe_object_swap_state(child, NULL));
  EXPECT(moe_object_doings(o) == own);
  EXPECT(moe_object_doings_below(o) == 2 * MOE_CHANGE);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool resets(void) {
  moe_object *a, *child, *o = new_family(&a, &child);
  learn(o);
  learn(a);
  set(o, "count", number(4));
  moe_object_use(o, 1);
  EXPECT(moe_object_is_used(a));
  EXPECT(moe_object_reset(&call, o) == MOE_EBUSY);
  EXPECT(moe_object_reset(&call, a) == MOE_EBUSY);
  EXPECT(set(child, "count", number(4)) == MOE_EBUSY);
  moe_object_use(o, -1);
  moe_object_mark_fitting(o, true);
  EXPECT(moe_object_reset(&call, a) == MOE_EBUSY);
  EXPECT(moe_object_check_idle(&call, o, true) == MOE_EBUSY);
  EXPECT(moe_object_check_idle(&call, o, false) == MOE_OK);
  moe_object_mark_fitting(o, false);
  EXPECT(o->state != NULL && a->state != NULL);
  EXPECT(moe_object_reset(&call, o) == MOE_OK);
  EXPECT(o->state == NULL && a->state == NULL && params_of(o)->count == 4);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool exchanges(void) {
  moe_object *a, *child, *o = new_family(&a, &child), *copy;
  void *before, *part;
  EXPECT(moe_object_clone(&call, o, &copy) == MOE_OK);
  learn(copy);
  learn(params_of(copy)->parts.items[0]);
  before = copy->state;
  part = params_of(copy)->parts.items[0]->state;
  moe_object_exchange_states(o, copy);
  EXPECT(o->state == before && a->state == part && copy->state == NULL);
  moe_object_release(o);
  moe_object_release(copy);
  EXPECT(clean());
  return true;
}

static int exchanges_left;

/* A limit stands for what lives in the host. */
static moe_status exchange_limits(moe_call *c, moe_object *a, moe_object *b) {
  params *p = a->params, *q = b->params;
  double limit = p->limit;
  if (exchanges_left-- == 0) return moe_fail(c, MOE_EHOST, "not now");
  p->limit = q->limit;
  q->limit = limit;
  return MOE_OK;
}

static bool exchanges_all_or_nothing(void) {
  moe_type hosted = thing;
  moe_object *o, *part, *child = new_thing(), *copy;
  hosted.exchanged = exchange_limits;
  EXPECT(moe_object_new(&call, &hosted, &o) == MOE_OK);
  EXPECT(moe_object_new(&call, &hosted, &part) == MOE_OK);
  set(o, "parts", map_of("a", object(part), "b", object(child)));
  moe_object_release(part);
  moe_object_release(child);
  EXPECT(moe_object_clone(&call, o, &copy) == MOE_OK);
  params *p = o->params, *q = copy->params;
  learn(copy);
  learn(q->parts.items[0]);
  p->limit = 0.25;
  q->limit = -0.25;
  for (int k = 0; k < 2; k++) {
    exchanges_left = k;
    EXPECT(moe_object_exchange(&call, o, copy) == MOE_EHOST);
    EXPECT(o->state == NULL && part->state == NULL && copy->state != NULL);
    EXPECT(p->limit == 0.25 && q->limit == -0.25);
  }
  exchanges_left = 2;
  EXPECT(moe_object_exchange(&call, o, copy) == MOE_OK);
  EXPECT(o->state != NULL && part->state != NULL && copy->state == NULL);
  EXPECT(p->limit == -0.25);
  moe_object_release(o);
  moe_object_release(copy);
  EXPECT(clean());
  return true;
}

static bool weighs(void) {
  moe_object *a, *child, *o = new_family(&a, &child), *single = new_thing();
  size_t empty = sizeof(moe_object) + sizeof(params);
  size_t learnt = sizeof(state) + 4 * 8 + 5 * 4 + (8 + 4) + (8 + 1) +
                  sizeof(moe_label) + 3 * 4;
  EXPECT(moe_object_bytes(single) == empty);
  learn(single);
  EXPECT(moe_object_bytes(single) == empty + learnt);
  learn(a);
  EXPECT(moe_object_bytes(o) == 4 * empty + learnt);
  moe_object_release(single);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

typedef struct listing {
  moe_visitor visitor;
  char text[200];
} listing;

static moe_status add_name(moe_visitor *v, const moe_field *f) {
  listing *l = (listing *)v;
  snprintf(l->text + strlen(l->text), sizeof l->text - strlen(l->text),
           "%s:%d:%zu%s ", f->name, (int)f->kind, f->n, f->derived ? "!" : "");
  return MOE_OK;
}

static bool visits(void) {
  moe_object *a, *child, *o = new_family(&a, &child);
  listing l = {{add_name}, ""};
  EXPECT(moe_object_visit(o, &l.visitor) == MOE_OK);
  EXPECT(strcmp(l.text, "child:5:0 parts:6:0 ") == 0);
  learn(o);
  l.text[0] = '\0';
  EXPECT(moe_object_visit(o, &l.visitor) == MOE_OK);
  EXPECT(strcmp(l.text,
                "child:5:0 parts:6:0 seen:0:1 fixed:1:4 growing:2:5 notes:3:2 "
                "labels:4:1 derived:1:3! ") == 0);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

/* ------------------------------------------------------------------- memory */

/* All that can be done with a thing; false when memory ran out on the way. */
static bool live_a_life(void) {
  moe_object *o = NULL, *inner = NULL, *copy = NULL;
  moe_value map, all;
  bool good = moe_object_new(&call, &thing, &o) == MOE_OK &&
              moe_object_new(&call, &thing, &inner) == MOE_OK &&
              moe_map_value(&call, 6, &map) == MOE_OK;
  if (good) {
    moe_value two = moe_number_value(2), word = moe_text_value("w");
    moe_value inside = object(inner);
    const char *const names[] = {"label", "sizes",   "words",
                                 "parts", "weights", "child.count"};
    for (int i = 0; i < 6; i++) map.keys[i] = moe_text_value(names[i]);
    map.items[0] = word;
    map.items[1] = (moe_value){MOE_V_LIST, .n = 1, .items = &two};
    map.items[2] = (moe_value){MOE_V_LIST, .n = 1, .items = &word};
    map.items[3] =
        (moe_value){MOE_V_MAP, .n = 1, .keys = &word, .items = &inside};
    map.items[4] = (moe_value){MOE_V_MAP, .n = 1, .keys = &word, .items = &two};
    map.items[5] = two;
    map.n = 5;
    good = moe_object_set(&call, o, &map) == MOE_OK &&
           moe_object_get_all(&call, o, &all) == MOE_OK &&
           moe_state_new(&call, &thing, &inner->state) == MOE_OK &&
           moe_object_clone(&call, o, &copy) == MOE_OK;
  }
  moe_object_release(o);
  moe_object_release(inner);
  moe_object_release(copy);
  moe_call_end(&call);
  return good;
}

static bool survives(void) {
  int n = 0;
  for (bool good = false; !good; n++) {
    moe_alloc_fail_after(n);
    good = live_a_life();
    moe_alloc_fail_after(-1);
    EXPECT(moe_alloc_live() == live);
    EXPECT(good || call.error.status == MOE_ENOMEM);
    EXPECT(n < 1000);
  }
  EXPECT(n > 20);
  return true;
}

static bool copies_survive(void) {
  moe_object *a, *child, *o = new_family(&a, &child), *copy;
  moe_status status = MOE_ENOMEM;
  int n = 0;
  learn(o);
  learn(a);
  for (; status != MOE_OK; n++) {
    long before = moe_alloc_live();
    moe_call own;
    moe_call_init(&own, NULL, 1);
    moe_alloc_fail_after(n);
    status = moe_object_clone(&own, o, &copy);
    moe_alloc_fail_after(-1);
    moe_call_end(&own);
    if (status != MOE_OK) EXPECT(moe_alloc_live() == before && copy == NULL);
  }
  EXPECT(n > 20 && same_state(o->state, copy->state));
  moe_object_release(copy);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static const promise promises[] = {
    {"has clones that share nothing with it", clones},
    {"tells who is at work on it, and whether anything has changed",
     tells_doings},
    {"forgets what it learned, unless it is in use", resets},
    {"exchanges what it learned with a clone", exchanges},
    {"exchanges all of it, or nothing where the host fails",
     exchanges_all_or_nothing},
    {"weighs what it holds, children included", weighs},
    {"shows its children and every field of its state", visits},
    {"survives any allocation that fails, and leaks nothing", survives},
    {"is copied entirely or not at all", copies_survive},
    {NULL, NULL}};

int main(void) {
  moe_call_init(&call, NULL, 1);
  live = moe_alloc_live();
  return keep(promises);
}
