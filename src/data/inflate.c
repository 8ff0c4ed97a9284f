#include "inflate.h"

#include "memory.h"

bool moe_is_gzip(const unsigned char *bytes, size_t size) {
  return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

#ifdef HAVE_ZLIB
#include <zlib.h>

enum {
  WINDOW = 15,   /* bits; the largest there is */
  AS_GZIP = 16,  /* added to it: with gzip's header and checksum */
  STEP = 1 << 20 /* bytes in or out at a time */
};

static moe_status fail(moe_call *call, const char *what) {
  return moe_fail(call, MOE_EFORMAT, "%.200s: its compressed bytes are damaged",
                  what);
}

typedef struct inflating {
  z_stream z;
  const char *what;
  const unsigned char *end; /* of what is compressed */
  unsigned char *out;
  size_t n, room, limit;
} inflating;

/* At least one byte of room beyond the limit, so that more is noticed. */
static moe_status inflate_step(moe_call *call, inflating *s, int *result) {
  size_t left = (size_t)(s->end - s->z.next_in), room;
  MOE_TRY(moe_call_check(call));
  MOE_TRY(moe_reserve(call, &s->out, &s->room, s->n, 1, 1));
  room = s->room - s->n < STEP ? s->room - s->n : STEP;
  s->z.avail_in = (uInt)(left < STEP ? left : STEP);
  s->z.next_out = s->out + s->n;
  s->z.avail_out = (uInt)room;
  *result = inflate(&s->z, Z_NO_FLUSH);
  s->n += room - s->z.avail_out;
  if (s->n > s->limit)
    return moe_fail(call, MOE_EFORMAT,
                    "%.200s: inflates to more than %zu bytes", s->what,
                    s->limit);
  if (*result == Z_MEM_ERROR)
    return moe_fail(call, MOE_ENOMEM, "not enough memory to inflate");
  if (*result != Z_OK && *result != Z_STREAM_END) return fail(call, s->what);
  return MOE_OK;
}

static moe_status inflate_all(moe_call *call, inflating *s) {
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    if (s->z.next_in == s->end && s->z.avail_out > 0 && s->n > 0)
      return fail(call, s->what);
    MOE_TRY(inflate_step(call, s, &result));
  }
  return MOE_OK;
}

moe_status moe_inflate(moe_call *call, const char *what, bool gzip,
                       const unsigned char *bytes, size_t size, size_t limit,
                       unsigned char **out, size_t *out_size) {
  inflating s = {.what = what, .end = bytes + size, .limit = limit};
  int window = gzip ? WINDOW + AS_GZIP : -WINDOW;
  moe_status status;
  *out = NULL;
  *out_size = 0;
  s.z.next_in = (unsigned char *)bytes;
  if (inflateInit2(&s.z, window) != Z_OK)
    return moe_fail(call, MOE_ENOMEM, "not enough memory to inflate");
  status = moe_reserve(call, &s.out, &s.room, 0, STEP / 16, 1);
  if (status == MOE_OK) status = inflate_all(call, &s);
  inflateEnd(&s.z);
  if (status != MOE_OK) {
    moe_free(s.out);
    return status;
  }
  *out = s.out;
  *out_size = s.n;
  return MOE_OK;
}

#else

moe_status moe_inflate(moe_call *call, const char *what, bool gzip,
                       const unsigned char *bytes, size_t size, size_t limit,
                       unsigned char **out, size_t *out_size) {
  (void)gzip;
  (void)bytes;
  (void)size;
  (void)limit;
  *out = NULL;
  *out_size = 0;
  return moe_fail(call, MOE_EUNSUPPORTED,
                  "%.200s is compressed, and this lua-moe was built without "
                  "zlib",
                  what);
}
#endif
