/* Deflated bytes (RFC 1951) and gzip files (RFC 1952), by zlib where the
   library was built with it; otherwise MOE_EUNSUPPORTED says so. */
#ifndef MOE_INFLATE_H
#define MOE_INFLATE_H

#include "status.h"

/* True for bytes that begin as a gzip file does. */
bool moe_is_gzip(const unsigned char *bytes, size_t size);

/* The inflated bytes, freed with moe_free; MOE_EFORMAT where they are damaged
   or more than `limit`.  Memory grows with what really comes out. */
moe_status moe_inflate(moe_call *call, const char *what, bool gzip,
                       const unsigned char *bytes, size_t size, size_t limit,
                       unsigned char **out, size_t *out_size);

#endif
