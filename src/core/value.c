#include "object.h"

moe_value moe_flag_value(bool flag) {
  return (moe_value){.kind = MOE_V_FLAG, .flag = flag};
}

moe_value moe_number_value(double number) {
  return (moe_value){.kind = MOE_V_NUMBER, .number = number};
}

moe_value moe_text_value(const char *text) {
  return (moe_value){.kind = text != NULL ? MOE_V_TEXT : MOE_V_NIL,
                     .text = text};
}

moe_status moe_list_value(moe_call *call, size_t n, moe_value *out) {
  *out = (moe_value){.kind = MOE_V_LIST, .n = n};
  MOE_SCRATCH(call, out->items, n);
  return MOE_OK;
}

moe_status moe_map_value(moe_call *call, size_t n, moe_value *out) {
  *out = (moe_value){.kind = MOE_V_MAP, .n = n};
  MOE_SCRATCH(call, out->keys, n);
  MOE_SCRATCH(call, out->items, n);
  return MOE_OK;
}
