#include "base64.h"

#include <string.h>

#include "memory.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(const unsigned char *from, size_t n, char *to) {
  for (size_t i = 0; i < n; i += 3) {
    unsigned three = (unsigned)from[i] << 16;
    if (i + 1 < n) three |= (unsigned)from[i + 1] << 8;
    if (i + 2 < n) three |= from[i + 2];
    *to++ = digits[three >> 18];
    *to++ = digits[three >> 12 & 63];
    *to++ = i + 1 < n ? digits[three >> 6 & 63] : '=';
    *to++ = i + 2 < n ? digits[three & 63] : '=';
  }
}

moe_status moe_base64_print(moe_call *call, const void *bytes, size_t n,
                            char **text, size_t *size) {
  *size = moe_size(n / 3 + (n % 3 != 0), 4);
  MOE_TRY(moe_new_array(call, text, *size + 1, 1));
  encode(bytes, n, *text);
  return MOE_OK;
}

/* Six bits a digit; false at anything else. */
static bool decode(const char *from, size_t size, unsigned char *to,
                   size_t *n) {
  unsigned bits = 0;
  for (size_t i = 0; i < size; i++) {
    const char *digit = memchr(digits, from[i], 64);
    if (digit == NULL) return false;
    bits = bits << 6 | (unsigned)(digit - digits);
    if (i % 4 != 0) to[(*n)++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
  }
  return true;
}

moe_status moe_base64_parse(moe_call *call, const char *text, size_t size,
                            unsigned char **bytes, size_t *n) {
  *n = 0;
  MOE_TRY(moe_new_array(call, bytes, size + 1, 1));
  while (size > 0 && text[size - 1] == '=') size--;
  if (decode(text, size, *bytes, n)) return MOE_OK;
  moe_free(*bytes);
  *bytes = NULL;
  return moe_fail(call, MOE_EFORMAT, "a text is no base64");
}
