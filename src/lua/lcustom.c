/* Operations written in Lua: F.operation(backward, output, inputs…) makes
   `output`, which was computed from the inputs without being recorded, part of
   their graph: backward(g) gets the gradient by it and returns those by the
   inputs, nil where one has none.  It runs as within moe.no_grad: what it makes
   is given back once it was added.

   The engine holds a slot of a table in the registry.  A record may be freed
   where no Lua can run, so it only queues its slot to be emptied. */
#include <string.h>

#include "ltape.h"

typedef struct slots {
  int *freed; /* slots whose records are gone */
  size_t n, room;
} slots;

static const char slots_key, values_key;

static int l_free_slots(lua_State *L) {
  slots *s = lua_touserdata(L, 1);
  moe_free(s->freed);
  memset(s, 0, sizeof *s);
  return 0;
}

static slots *get_slots(lua_State *L) {
  lmoe_get_registry(L, &slots_key);
  slots *s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return s;
}

void lmoe_open_custom(lua_State *L) {
  if (get_slots(L) != NULL) return;
  lmoe_push_freed(L, sizeof(slots), l_free_slots);
  lmoe_set_registry(L, &slots_key);
  lua_newtable(L);
  lmoe_set_registry(L, &values_key);
}

typedef struct custom {
  slots *slots;
  int slot;
} custom;

static void free_custom(moe_record *r) {
  custom *own = r->own;
  own->slots->freed[own->slots->n++] = own->slot;
}

/* ----------------------------------------------------------------- backward */

typedef struct request {
  lmoe_call *c;
  moe_record *r;
  const moe_tensor *out;
  const float *g;
} request;

/* A gradient that the function returned, at the top. */
static void add_gradient(lua_State *L, const request *q, size_t i) {
  const moe_tensor *input = q->r->inputs[i], *g;
  if (lua_isnil(L, -1)) return;
  g = lmoe_check_tensor(L, -1);
  if (g->dtype != MOE_F32 || g->n != input->n)
    luaL_error(L,
               "backward of an operation: gradient %d must be of %s, is of %s",
               (int)i + 1, moe_tensor_shape_text(input).text,
               moe_tensor_shape_text(g).text);
  LMOE_TRY(L, q->c, moe_tape_add(&q->c->call, q->r, i, g->f));
}

static int l_back(lua_State *L) {
  request *q = lua_touserdata(L, 1);
  const custom *own = q->r->own;
  int n = (int)q->r->n_inputs;
  moe_tensor *g;
  lua_settop(L, 0);
  luaL_checkstack(L, n + 4, "too many inputs");
  lmoe_get_registry(L, &values_key);
  lua_rawgeti(L, -1, own->slot);
  LMOE_TRY(
      L, q->c,
      moe_tensor_make(&q->c->call, MOE_F32, q->out->ndim, q->out->shape, &g));
  memcpy(g->f, q->g, moe_tensor_bytes(g));
  lmoe_push_tensor(L, g);
  lmoe_remember(L);
  lua_call(L, 1, n);
  for (int i = n; i > 0; i--) {
    add_gradient(L, q, (size_t)i - 1);
    lua_pop(L, 1);
  }
  return 0;
}

static moe_status back_custom(moe_call *call, moe_record *r,
                              const moe_tensor *out, const float *g) {
  request q = {call->host->data, r, out, g};
  lua_State *L = q.c->L;
  int before = lmoe_pause_recording(L);
  moe_status status = lmoe_call_back(call, l_back, &q);
  lmoe_resume_recording(L, before, 1, 0);
  return status;
}

static const moe_operation operation = {.name = "an operation in Lua",
                                        .size = sizeof(custom),
                                        .backward = back_custom,
                                        .release = free_custom};

/* ------------------------------------------------------------------- recording
 */

static void empty_freed(lua_State *L, slots *s, int values) {
  while (s->n > 0) luaL_unref(L, values, s->freed[--s->n]);
}

/* Room for every slot in use to be queued: queueing itself cannot fail. */
static moe_status reserve(moe_call *call, slots *s, size_t in_use) {
  return moe_reserve(call, &s->freed, &s->room, 0, in_use + 1,
                     sizeof *s->freed);
}

/* A slot with the function in argument 1, the last of those that are freed: it
   is in use from when a record takes it from there. */
static moe_status make_slot(lua_State *L, moe_call *call, slots *s,
                            int values) {
  empty_freed(L, s, values);
  lua_pushvalue(L, 1);
  int slot = luaL_ref(L, values);
  moe_status status = reserve(call, s, lua_rawlen(L, values));
  if (status == MOE_OK)
    s->freed[s->n++] = slot;
  else
    luaL_unref(L, values, slot);
  return status;
}

static moe_tensor *check_output(lua_State *L) {
  moe_tensor *out = lmoe_check_tensor(L, 2);
  if (out->record != NULL)
    luaL_error(L, "operation: the output is recorded already");
  return out;
}

/* From make_slot on Lua makes nothing: no finaliser can close the tensors. */
int lmoe_operation(lua_State *L) {
  int n = lua_gettop(L) - 2;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  check_output(L);
  if (n < 1) return luaL_error(L, "operation: the inputs are missing");
  lmoe_call *c = lmoe_begin(L);
  moe_tensor **in;
  custom *own;
  slots *s = get_slots(L);
  lmoe_get_registry(L, &values_key);
  int values = lua_gettop(L);
  in = moe_scratch(&c->call, (size_t)n, sizeof *in);
  if (in == NULL) lmoe_end(L, c, MOE_ENOMEM);
  LMOE_TRY(L, c, make_slot(L, &c->call, s, values));
  for (int i = 0; i < n; i++) in[i] = lmoe_check_tensor(L, i + 3);
  lmoe_put_on_tape(L, c, (size_t)n, in);
  moe_tensor *out = moe_tensor_retain(check_output(L));
  moe_status status =
      moe_tape_record(&c->call, &operation, &out, (size_t)n, in, &own);
  if (status == MOE_OK) moe_tensor_release(out);
  if (status == MOE_OK && own != NULL) *own = (custom){s, s->freed[--s->n]};
  empty_freed(L, s, values);
  lmoe_end(L, c, status);
  lua_pushvalue(L, 2);
  return 1;
}
