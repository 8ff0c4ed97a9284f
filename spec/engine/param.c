/* Parameters of every kind: what is kept, what is refused, and the trees that
   children make. */
#include "thing.h"

/* A type of another family, that has nothing. */
static moe_status no_fields(void *at, moe_visitor *v) {
  (void)at;
  (void)v;
  return MOE_OK;
}

static const moe_param no_params[] = {{0}};
static const moe_type stone = {.name = "stone",
                               .family = "stone",
                               .doc = "Has nothing.",
                               .params_size = 1,
                               .state_size = 1,
                               .params = no_params,
                               .visit = no_fields};

/* The set is refused with this message, and nothing has changed. */
static bool refuses(moe_object *o, const char *name, moe_value value,
                    const char *message) {
  moe_value before = get(o, name), after;
  call.error.text[0] = '\0';
  if (set(o, name, value) != MOE_EPARAM) return false;
  after = get(o, name);
  if (before.kind == after.kind && strcmp(call.error.text, message) == 0)
    return true;
  fprintf(stderr, "%s\n", call.error.text);
  return false;
}

/* --------------------------------------------------------------- parameters */

static bool defaults(void) {
  moe_object *o = new_thing();
  const params *p = o->params;
  EXPECT(p->count == 3 && p->seed == MOE_NO_INT && p->rate == 0.5);
  EXPECT(isnan(p->limit) && p->loud && p->mode == 1 && p->shade == -1);
  EXPECT(p->label == NULL && p->sizes.items == NULL && p->child == NULL);
  EXPECT(p->parts.n == 0 && !p->hook && o->state == NULL);
  for (const moe_param *q = all_params; q->name != NULL; q++)
    EXPECT(moe_param_is_default(o, q));
  EXPECT(set(o, "limit", number(0)) == MOE_OK);
  EXPECT(!moe_param_is_default(o, moe_type_find_param(&thing, "limit")));
  EXPECT(moe_type_find_param(&thing, "limits") == NULL);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool scalars(void) {
  moe_object *o = new_thing();
  EXPECT(set(o, "count", number(10)) == MOE_OK);
  EXPECT(get(o, "count").number == 10);
  EXPECT(set(o, "seed", number(0x1p53)) == MOE_OK);
  EXPECT(get(o, "seed").number == 0x1p53);
  EXPECT(set(o, "rate", number(2)) == MOE_OK && get(o, "rate").number == 2);
  EXPECT(set(o, "limit", number(-1)) == MOE_OK);
  EXPECT(get(o, "limit").number == -1);
  EXPECT(set(o, "loud", moe_flag_value(false)) == MOE_OK);
  EXPECT(get(o, "loud").kind == MOE_V_FLAG && !get(o, "loud").flag);
  EXPECT(set(o, "mode", text("slow")) == MOE_OK);
  EXPECT(strcmp(get(o, "mode").text, "slow") == 0);
  EXPECT(set(o, "shade", text("quick")) == MOE_OK);
  EXPECT(strcmp(get(o, "shade").text, "quick") == 0);
  EXPECT(set(o, "label", text("")) == MOE_OK);
  EXPECT(set(o, "label", text("first")) == MOE_OK);
  EXPECT(strcmp(get(o, "label").text, "first") == 0);
  EXPECT(set(o, "hook", (moe_value){.kind = MOE_V_FUNCTION}) == MOE_OK);
  EXPECT(get(o, "hook").kind == MOE_V_FUNCTION);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool lists(void) {
  moe_object *o = new_thing();
  moe_value map = map_of("yes", number(2), "no", number(0.5)), back;
  EXPECT(set(o, "sizes", list(2, number(1), number(100))) == MOE_OK);
  EXPECT(set(o, "factors", list(2, number(0), number(1e300))) == MOE_EPARAM);
  EXPECT(set(o, "factors", list(2, number(0), number(2.5))) == MOE_OK);
  EXPECT(set(o, "words", list(2, text("b"), text("a"))) == MOE_OK);
  EXPECT(set(o, "weights", map) == MOE_OK);
  back = get(o, "sizes");
  EXPECT(back.n == 2 && back.items[0].number == 1 &&
         back.items[1].number == 100);
  EXPECT(get(o, "factors").items[1].number == 2.5);
  back = get(o, "words");
  EXPECT(strcmp(back.items[0].text, "b") == 0 && back.items[0].text[1] == 0);
  back = get(o, "weights");
  EXPECT(back.kind == MOE_V_MAP && back.n == 2);
  EXPECT(strcmp(back.keys[1].text, "no") == 0 && back.items[1].number == 0.5);
  EXPECT(set(o, "weights", list(2, number(7), number(8))) == MOE_OK);
  back = get(o, "weights");
  EXPECT(back.keys[1].number == 2 && back.items[1].number == 8);
  EXPECT(set(o, "sizes", list(0, nothing(), nothing())) == MOE_OK);
  EXPECT(get(o, "sizes").kind == MOE_V_LIST && get(o, "sizes").n == 0);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool absent(void) {
  static const char *const optional[] = {"limit",   "shade", "label",   "sizes",
                                         "factors", "words", "weights", "child",
                                         "hook",    "seed"};
  moe_object *o = new_thing(), *inner = new_thing();
  set(o, "limit", number(0));
  set(o, "shade", text("slow"));
  set(o, "label", text("x"));
  set(o, "sizes", list(1, number(1), nothing()));
  set(o, "factors", list(1, number(1), nothing()));
  set(o, "words", list(1, text("w"), nothing()));
  set(o, "weights", map_of("a", number(1), NULL, nothing()));
  set(o, "child", object(inner));
  set(o, "hook", (moe_value){.kind = MOE_V_FUNCTION});
  set(o, "seed", number(1));
  for (int i = 0; i < 10; i++) {
    EXPECT(get(o, optional[i]).kind != MOE_V_NIL);
    EXPECT(set(o, optional[i], nothing()) == MOE_OK);
    EXPECT(get(o, optional[i]).kind == MOE_V_NIL);
  }
  EXPECT(refuses(o, "count", nothing(),
                 "thing: 'count' must be an integer in [1, 10]; got nil"));
  EXPECT(refuses(o, "loud", nothing(),
                 "thing: 'loud' must be true or false; got nil"));
  EXPECT(atomic_load(&inner->refs) == 1);
  moe_object_release(inner);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool numbers_refused(void) {
  moe_object *o = new_thing();
  EXPECT(refuses(o, "count", number(0),
                 "thing: 'count' must be an integer in [1, 10]; got 0"));
  EXPECT(refuses(o, "count", number(2.5),
                 "thing: 'count' must be an integer in [1, 10]; got 2.5"));
  EXPECT(refuses(o, "count", text("3"),
                 "thing: 'count' must be an integer in [1, 10]; got '3'"));
  EXPECT(set(o, "count", number(NAN)) == MOE_EPARAM);
  EXPECT(refuses(o, "rate", number(0),
                 "thing: 'rate' must be a number in (0, 2]; got 0"));
  EXPECT(refuses(o, "rate", number(INFINITY),
                 "thing: 'rate' must be a number in (0, 2]; got inf"));
  EXPECT(refuses(o, "limit", number(1.5),
                 "thing: 'limit' must be a number in [-1, 1], or absent; got "
                 "1.5"));
  EXPECT(refuses(o, "seed", number(-1),
                 "thing: 'seed' must be an integer of at least 0, or absent; "
                 "got -1"));
  EXPECT(set(o, "seed", number(0x1p53 + 2)) == MOE_EPARAM);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool others_refused(void) {
  moe_object *o = new_thing(), *s;
  moe_object_new(&call, &stone, &s);
  EXPECT(refuses(o, "loud", number(1),
                 "thing: 'loud' must be true or false; got 1"));
  EXPECT(refuses(o, "mode", text("fast"),
                 "thing: 'mode' must be 'slow', 'quick'; got 'fast'"));
  EXPECT(refuses(o, "mode", number(0),
                 "thing: 'mode' must be 'slow', 'quick'; got 0"));
  EXPECT(refuses(o, "label", moe_flag_value(true),
                 "thing: 'label' must be a string without zero bytes, or "
                 "absent; got true"));
  EXPECT(refuses(o, "sizes", number(1),
                 "thing: 'sizes' must be a list, each an integer in [1, 100], "
                 "or absent; got 1"));
  EXPECT(refuses(o, "sizes", list(2, number(1), number(1.5)),
                 "thing: 'sizes' must be a list, each an integer in [1, 100], "
                 "or absent; got 1.5"));
  EXPECT(refuses(o, "words", list(2, text("a"), number(1)),
                 "thing: 'words' must be a list of strings, or absent; got 1"));
  EXPECT(refuses(o, "weights", map_of("a", number(-1), NULL, nothing()),
                 "thing: 'weights' must be label → a number of at least 0, or "
                 "absent; got -1"));
  EXPECT(refuses(o, "hook", number(1),
                 "thing: 'hook' must be a function, or absent; got 1"));
  EXPECT(refuses(o, "child", object(s),
                 "thing: 'child' must be a thing, or absent; got a stone"));
  EXPECT(refuses(o, "child", list(0, nothing(), nothing()),
                 "thing: 'child' must be a thing, or absent; got a list of 0"));
  moe_object_release(s);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool all_or_none(void) {
  moe_object *o = new_thing();
  moe_value map = map_of("count", number(7), "rate", number(-1));
  EXPECT(moe_object_set(&call, o, &map) == MOE_EPARAM);
  EXPECT(params_of(o)->count == 3 && params_of(o)->rate == 0.5);
  map = map_of("label", text("seven"), "rat", number(1));
  EXPECT(moe_object_set(&call, o, &map) == MOE_EPARAM);
  EXPECT(params_of(o)->label == NULL);
  map = map_of("label", text("seven"), "rate", number(1));
  EXPECT(moe_object_set(&call, o, &map) == MOE_OK);
  EXPECT(strcmp(params_of(o)->label, "seven") == 0);
  EXPECT(params_of(o)->rate == 1);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool says(moe_object *o, const char *name, const char *message) {
  if (set(o, name, number(1)) == MOE_EPARAM &&
      strcmp(call.error.text, message) == 0)
    return true;
  fprintf(stderr, "%s\n", call.error.text);
  return false;
}

static bool misspelt(void) {
  moe_object *o = new_thing();
  EXPECT(says(o, "coutn",
              "thing: unknown parameter 'coutn'; did you mean 'count'?"));
  EXPECT(
      says(o, "Rate", "thing: unknown parameter 'Rate'; did you mean 'rate'?"));
  EXPECT(says(o, "xylophone", "thing: unknown parameter 'xylophone'"));
  EXPECT(says(o, "", "thing: unknown parameter ''"));
  moe_value map = map_of("count", number(1), NULL, nothing());
  map.keys[0] = number(1);
  EXPECT(moe_object_set(&call, o, &map) == MOE_EPARAM);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

/* ----------------------------------------------------------------- children */

static bool families(void) {
  moe_object *a, *child, *o = new_family(&a, &child);
  const moe_children *parts = &params_of(o)->parts;
  EXPECT(parts->n == 2 && strcmp(parts->names[0], "a") == 0);
  EXPECT(parts->items[0] == a && !parts->numbered);
  EXPECT(get(o, "child").object == child && get(o, "parts").n == 2);
  moe_object_retain(a);
  EXPECT(set(o, "parts", list(1, object(a), nothing())) == MOE_OK);
  EXPECT(parts->numbered && strcmp(parts->names[0], "1") == 0);
  EXPECT(get(o, "parts").kind == MOE_V_LIST);
  EXPECT(refuses(o, "parts", list(2, object(a), object(a)),
                 "thing: 'parts' must be things: all by name (no '.' in it), "
                 "or a list without holes, each object once; got a thing"));
  EXPECT(set(o, "parts", map_of("x.y", object(a), NULL, nothing())) ==
         MOE_EPARAM);
  EXPECT(set(o, "parts", map_of("", object(a), NULL, nothing())) == MOE_EPARAM);
  EXPECT(set(o, "parts", map_of("a\n", object(a), NULL, nothing())) ==
         MOE_EPARAM);
  moe_object_release(a);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool paths(void) {
  moe_object *a, *child, *o = new_family(&a, &child), *at = o;
  const moe_param *p;
  EXPECT(set(o, "parts.a.count", number(9)) == MOE_OK);
  EXPECT(params_of(a)->count == 9);
  EXPECT(set(o, "child.mode", text("slow")) == MOE_OK);
  EXPECT(params_of(child)->mode == 0);
  EXPECT(moe_object_resolve(&call, &at, "parts.a.rate", &p) == MOE_OK);
  EXPECT(at == a && strcmp(p->name, "rate") == 0);
  EXPECT(says(o, "parts.c.count", "thing: no parameter at 'parts.c.count'"));
  EXPECT(says(o, "parts.a", "thing: no parameter at 'parts.a'"));
  EXPECT(says(o, "count.x", "thing: no parameter at 'count.x'"));
  EXPECT(says(o, "child.", "thing: no parameter at 'child.'"));
  EXPECT(says(o, "parts.a.cuont",
              "thing: unknown parameter 'cuont'; did you mean 'count'?"));
  EXPECT(says(a, "child.count", "thing: no parameter at 'child.count'"));
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool replaced_amid(void) {
  moe_object *a, *child, *o = new_family(&a, &child), *fresh = new_thing();
  moe_value map = map_of("child", object(fresh), "child.count", number(8));
  EXPECT(moe_object_set(&call, o, &map) == MOE_OK);
  EXPECT(get(o, "child").object == fresh && params_of(fresh)->count == 3);
  moe_object_release(fresh);
  map = map_of("child.count", number(6), "child", nothing());
  EXPECT(moe_object_set(&call, o, &map) == MOE_OK);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool cycles(void) {
  moe_object *a, *child, *o = new_family(&a, &child);
  moe_value map;
  EXPECT(set(o, "child", object(o)) == MOE_EPARAM);
  EXPECT(strstr(call.error.text, "contain itself") != NULL);
  EXPECT(set(a, "child", object(o)) == MOE_EPARAM);
  EXPECT(set(child, "parts", list(1, object(o), nothing())) == MOE_EPARAM);
  map = map_of("parts.a.child", object(child), "child.child", object(a));
  EXPECT(moe_object_set(&call, o, &map) == MOE_EPARAM);
  EXPECT(params_of(a)->child == NULL && params_of(child)->child == NULL);
  EXPECT(set(a, "child", object(child)) == MOE_OK); /* held twice: no cycle */
  EXPECT(set(child, "child", object(a)) == MOE_EPARAM);
  moe_object_release(o);
  EXPECT(clean());
  return true;
}

static bool depths(void) {
  moe_object *top = new_thing(), *bottom = top, *o;
  int n = 1;
  for (; n < 1000; n++) { /* from the bottom up */
    o = new_thing();
    if (set(o, "child", object(top)) != MOE_OK) break;
    moe_object_release(top);
    top = o;
  }
  EXPECT(n == MOE_DEEPEST);
  EXPECT(strstr(call.error.text, "more than 64 deep") != NULL);
  moe_object_release(o);
  EXPECT(set(bottom, "child", nothing()) == MOE_OK);
  moe_object_release(top);
  top = bottom = new_thing();
  for (n = 1; n < 1000; n++) { /* and downwards */
    o = new_thing();
    moe_status status = set(bottom, "child", object(o));
    moe_object_release(o);
    if (status != MOE_OK) break;
    bottom = o;
  }
  EXPECT(n == MOE_DEEPEST);
  EXPECT(moe_object_clone(&call, top, &o) == MOE_OK);
  moe_object_release(o);
  moe_object_release(top);
  EXPECT(clean());
  return true;
}

static const promise promises[] = {
    {"begins with every parameter at its default", defaults},
    {"keeps numbers, flags, choices, texts and functions", scalars},
    {"keeps lists of numbers and texts, and weights by label", lists},
    {"lets what is optional be absent, and nothing else", absent},
    {"refuses numbers out of range, with the range", numbers_refused},
    {"refuses values of the wrong kind, with what is allowed", others_refused},
    {"sets all parameters of a map or none", all_or_none},
    {"names the parameter that a misspelt one may mean", misspelt},
    {"keeps children in the order of their names, or as a list", families},
    {"finds parameters of children by their path", paths},
    {"can replace a child and set it in one go", replaced_amid},
    {"never contains itself, however it is put together", cycles},
    {"is nested 64 deep at most, from above as from below", depths},
    {NULL, NULL}};

int main(void) {
  moe_call_init(&call, NULL, 1);
  live = moe_alloc_live();
  return keep(promises);
}
