#include "elements.h"

#include <math.h>
#include <string.h>

#include "memory.h"

static uint64_t load(const moe_elements *e, const unsigned char *bytes) {
  uint64_t bits = 0;
  for (unsigned i = 0; i < e->width; i++)
    bits = bits << 8 | bytes[e->big ? i : e->width - 1 - i];
  return bits;
}

static float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* IEEE 754 half: 1 bit of sign, 5 of exponent, 10 of fraction. */
static double half(uint64_t bits) {
  int exponent = (int)(bits >> 10 & 31);
  double fraction = (double)(bits & 1023), x;
  if (exponent == 31)
    x = fraction == 0 ? INFINITY : NAN;
  else if (exponent == 0)
    x = ldexp(fraction, -24);
  else
    x = ldexp(fraction + 1024, exponent - 25);
  return bits >> 15 & 1 ? -x : x;
}

static double real_of(const moe_elements *e, uint64_t bits) {
  double x;
  if (e->kind == MOE_E_BFLOAT)
    return (double)float_of_bits((uint32_t)bits << 16);
  if (e->width == 2) return half(bits);
  if (e->width == 4) return (double)float_of_bits((uint32_t)bits);
  memcpy(&x, &bits, sizeof x);
  return x;
}

static bool is_real(const moe_elements *e) {
  return e->kind == MOE_E_REAL || e->kind == MOE_E_BFLOAT;
}

/* Whole numbers; false beyond the 64 bits with a sign. */
static bool whole_of(const moe_elements *e, uint64_t bits, int64_t *out) {
  unsigned unused = 64 - 8 * e->width;
  if (e->kind == MOE_E_BOOL) bits = bits != 0;
  *out = (int64_t)bits;
  if (e->kind == MOE_E_SIGNED) *out = (int64_t)(bits << unused) >> unused;
  return e->kind == MOE_E_SIGNED || bits <= INT64_MAX;
}

static bool put_real(double x, float *out) {
  *out = (float)x;
  return isfinite(*out) || !isfinite(x);
}

static bool put(const moe_elements *e, uint64_t bits, moe_tensor *t, size_t i) {
  int64_t whole;
  if (is_real(e)) return put_real(real_of(e, bits), &t->f[i]);
  if (!whole_of(e, bits, &whole)) return false;
  if (t->dtype == MOE_F32) return put_real((double)whole, &t->f[i]);
  if (whole < INT32_MIN || whole > INT32_MAX) return false;
  t->i[i] = (int32_t)whole;
  return true;
}

static moe_status fill(moe_call *call, const char *what, const moe_elements *e,
                       const unsigned char *bytes, moe_tensor *t) {
  for (size_t i = 0; i < t->n; i++)
    if (!put(e, load(e, bytes + i * e->width), t, i))
      return moe_fail(call, MOE_EFORMAT, "%.200s: item %zu does not fit %s",
                      what, i + 1, t->dtype == MOE_F32 ? "float32" : "int32");
  return MOE_OK;
}

/* The bytes that a shape needs must be those there are. */
static moe_status check_size(moe_call *call, const char *what,
                             const moe_elements *e, size_t n_dims,
                             const size_t *shape, size_t size) {
  size_t wanted = e->width;
  bool empty = false, fits = true;
  for (size_t d = 0; d < n_dims; d++) {
    empty = empty || shape[d] == 0;
    fits = fits && shape[d] <= INT32_MAX;
    fits = !__builtin_mul_overflow(wanted, shape[d], &wanted) && fits;
  }
  if (empty) wanted = 0;
  if (fits && wanted == size) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "%.200s: its shape does not agree with its %zu bytes", what,
                  size);
}

moe_status moe_elements_read(moe_call *call, const char *what,
                             const moe_elements *e, size_t n_dims,
                             const size_t *shape, const unsigned char *bytes,
                             size_t size, moe_tensor **out) {
  int64_t lengths[MOE_MAX_DIMS] = {1};
  moe_dtype dtype = is_real(e) || e->to_floats ? MOE_F32 : MOE_I32;
  *out = NULL;
  if (n_dims > MOE_MAX_DIMS)
    return moe_fail(call, MOE_EUNSUPPORTED,
                    "%.200s has %zu dimensions; a tensor has at most %d", what,
                    n_dims, MOE_MAX_DIMS);
  MOE_TRY(check_size(call, what, e, n_dims, shape, size));
  for (size_t d = 0; d < n_dims; d++) lengths[d] = (int64_t)shape[d];
  MOE_TRY(
      moe_tensor_make(call, dtype, n_dims > 0 ? (int)n_dims : 1, lengths, out));
  moe_status status = fill(call, what, e, bytes, *out);
  if (status == MOE_OK) return MOE_OK;
  moe_tensor_release(*out);
  *out = NULL;
  return status;
}

/* ------------------------------------------------------------------- by name
 */

moe_status moe_named_tensors_new(moe_call *call, moe_named_tensors **out) {
  return moe_new_array(call, out, 1, sizeof **out);
}

static moe_status append(moe_call *call, moe_named_tensors *s, const char *name,
                         size_t length, moe_tensor *t) {
  char *copy;
  MOE_TRY(
      moe_reserve(call, &s->items, &s->items_room, s->n, 1, sizeof *s->items));
  MOE_TRY(
      moe_reserve(call, &s->names, &s->names_room, s->n, 1, sizeof *s->names));
  MOE_TRY(moe_new_array(call, &copy, length + 1, 1));
  memcpy(copy, name, length);
  s->names[s->n] = copy;
  s->items[s->n++] = t;
  return MOE_OK;
}

moe_status moe_named_tensors_add(moe_call *call, moe_named_tensors *s,
                                 const char *name, size_t length,
                                 moe_tensor *t) {
  moe_status status = append(call, s, name, length, t);
  if (status != MOE_OK) moe_tensor_release(t);
  return status;
}

void moe_named_tensors_release(void *released) {
  moe_named_tensors *s = released;
  if (s == NULL) return;
  for (size_t i = 0; i < s->n; i++) {
    moe_tensor_release(s->items[i]);
    moe_free(s->names[i]);
  }
  moe_free(s->items);
  moe_free(s->names);
  moe_free(s);
}
