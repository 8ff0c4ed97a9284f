/* Bytes as text: base64 (RFC 4648). */
#ifndef MOE_BASE64_H
#define MOE_BASE64_H

#include "status.h"

/* Both give blocks to be freed with moe_free; what is no base64 is
   MOE_EFORMAT. */
moe_status moe_base64_print(moe_call *call, const void *bytes, size_t n,
                            char **text, size_t *size);
moe_status moe_base64_parse(moe_call *call, const char *text, size_t size,
                            unsigned char **bytes, size_t *n);

#endif
