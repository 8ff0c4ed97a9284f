/* Objects of the catalog, made and set by name, in the one call of a program.
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stdbool.h>

#include "catalog.h"
#include "object.h"

static moe_call call;

static moe_object *new_object(const char *family, const char *name) {
  moe_object *o = NULL;
  moe_object_new(&call, moe_catalog_find(family, name), &o);
  return o;
}

static bool set(moe_object *o, const char *name, moe_value value) {
  moe_value map;
  if (moe_map_value(&call, 1, &map) != MOE_OK) return false;
  map.keys[0] = moe_text_value(name);
  map.items[0] = value;
  return moe_object_set(&call, o, &map) == MOE_OK;
}

#endif
