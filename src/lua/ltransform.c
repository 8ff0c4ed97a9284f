/* The verbs of transforms. */
#include <string.h>

#include "ltensor.h"
#include "transform.h"

static moe_object *check_self(lua_State *L) {
  return lmoe_check_object(L, 1, LMOE_TRANSFORM);
}

static const moe_shaped *check_fitted(lua_State *L, const moe_object *o) {
  if (o->state == NULL)
    luaL_error(L, "%s has not been fitted yet", o->type->name);
  return o->state;
}

/* ------------------------------------------------------------------- frames
   What a transform made becomes a tensor or a sparse matrix; whether or not
   that succeeds, the frame has nothing to free afterwards. */

static moe_status new_names(moe_call *call, const moe_schema *schema,
                            moe_names **out) {
  *out = NULL;
  if (schema->names.n == 0) return MOE_OK;
  return moe_names_new(call, schema->n,
                       (const char *const *)schema->names.items, out);
}

static moe_status new_tensor(moe_call *call, const moe_frame *f,
                             moe_names *names, moe_tensor **out) {
  const int64_t shape[2] = {(int64_t)f->n, (int64_t)f->d};
  MOE_TRY(moe_tensor_new(call, MOE_F32, 2, shape, out));
  memcpy((*out)->f, f->dense, f->n * f->d * sizeof *f->dense);
  return names != NULL ? moe_tensor_set_names(call, *out, names) : MOE_OK;
}

/* The matrix takes the frame's arrays over. */
static moe_status new_sparse(moe_call *call, moe_frame *f, moe_names *names,
                             moe_sparse **out) {
  moe_frame taken = *f;
  if (taken.used == 0) {
    MOE_TRY(moe_new_array(call, &f->index, 0, sizeof *f->index));
    MOE_TRY(moe_new_array(call, &f->value, 0, sizeof *f->value));
    taken = *f;
  }
  *f = (moe_frame){0};
  MOE_TRY(moe_sparse_adopt(call, taken.n, taken.d, taken.start, taken.index,
                           taken.value, out));
  return names != NULL ? moe_sparse_set_names(call, *out, names) : MOE_OK;
}

typedef struct result {
  moe_tensor *tensor;
  moe_sparse *sparse;
} result;

static moe_status convert(moe_call *call, moe_frame *f,
                          const moe_schema *schema, result *out) {
  moe_names *names;
  MOE_TRY(new_names(call, schema, &names));
  moe_status status = f->dense != NULL
                          ? new_tensor(call, f, names, &out->tensor)
                          : new_sparse(call, f, names, &out->sparse);
  moe_names_release(names);
  return status;
}

/* Pushes the transformed rows and ends the call. */
static int push_transformed(lua_State *L, lmoe_call *c, const moe_object *o,
                            const moe_rows *x) {
  result made = {NULL, NULL};
  moe_frame f;
  moe_status status = moe_transform_apply(&c->call, o, o->state, x, &f);
  if (status == MOE_OK)
    status =
        convert(&c->call, &f, &((const moe_shaped *)o->state)->output, &made);
  moe_frame_free(&f);
  if (status != MOE_OK) {
    moe_tensor_release(made.tensor);
    moe_sparse_release(made.sparse);
  }
  lmoe_end(L, c, status);
  if (made.tensor != NULL)
    lmoe_push_tensor(L, made.tensor);
  else
    lmoe_push_sparse(L, made.sparse);
  return 1;
}

/* ------------------------------------------------------------------ methods */

static void fit(lua_State *L, lmoe_call *c, moe_object *o, const moe_rows *x) {
  LMOE_TRY(L, c, moe_transform_fit(&c->call, o, x));
  lmoe_charge(L, lua_touserdata(L, 1), moe_object_bytes(o));
}

static int l_fit(lua_State *L) {
  moe_object *o = check_self(L);
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_check_rows(L, c, 2, &x);
  fit(L, c, o, &x);
  lmoe_end(L, c, MOE_OK);
  lua_pushvalue(L, 1);
  return 1;
}

static int l_transform(lua_State *L) {
  const moe_object *o = check_self(L);
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_check_rows(L, c, 2, &x);
  return push_transformed(L, c, o, &x);
}

static int l_fit_transform(lua_State *L) {
  moe_object *o = check_self(L);
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_check_rows(L, c, 2, &x);
  fit(L, c, o, &x);
  return push_transformed(L, c, o, &x);
}

/* One sample, an array or name → value, as a matrix of one row. */
static int l_transform_one(lua_State *L) {
  const moe_object *o = check_self(L);
  const moe_shaped *shaped = check_fitted(L, o);
  lua_settop(L, 2);
  lmoe_call *c = lmoe_begin(L);
  moe_rows x;
  lmoe_check_sample(L, c, 2, &shaped->input, &x);
  return push_transformed(L, c, o, &x);
}

/* The names of the columns that come out, or nil where they have none. */
static int l_names(lua_State *L) {
  const moe_texts *names = &check_fitted(L, check_self(L))->output.names;
  if (names->n == 0) {
    lua_pushnil(L);
    return 1;
  }
  lua_createtable(L, (int)names->n, 0);
  for (size_t j = 0; j < names->n; j++) {
    lua_pushstring(L, names->items[j]);
    lua_rawseti(L, -2, (int)j + 1);
  }
  return 1;
}

static const luaL_Reg methods[] = {{"fit", l_fit},
                                   {"transform", l_transform},
                                   {"fit_transform", l_fit_transform},
                                   {"transform_one", l_transform_one},
                                   {"names", l_names},
                                   {NULL, NULL}};

void lmoe_open_transforms(lua_State *L) {
  lmoe_add_methods(L, LMOE_TRANSFORM, methods);
}
