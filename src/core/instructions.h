/* Kernels for the processor at hand: a file's functions compiled once for each
   instruction set, and the best set chosen where they run.

   The file defines `kernels`, a struct of function pointers, and the macro
   COMPILE_FOR(NAME, TARGET), which makes a constant of that type by the name;
   MOE_COMPILE_KERNELS then gives it best(). */
#ifndef MOE_INSTRUCTIONS_H
#define MOE_INSTRUCTIONS_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Four numbers at a time, wherever they lie. */
typedef double moe_quad __attribute__((vector_size(4 * sizeof(double)),
                                       aligned(sizeof(double)), may_alias));
#define MOE_QUAD(x) (*(const moe_quad *)(x))
#define MOE_ALL(x) ((moe_quad){x, x, x, x})

/* Of two quads, the first's numbers where a comparison of quads says so. */
typedef long long moe_mask __attribute__((vector_size(4 * sizeof(long long)),
                                          aligned(sizeof(double))));
typedef unsigned long long moe_bits __attribute__((
    vector_size(4 * sizeof(long long)), aligned(sizeof(double))));
#define MOE_WHERE(mask, a, b) \
  ((moe_quad)(((moe_mask)(a) & (mask)) | ((moe_mask)(b) & ~(mask))))

typedef double moe_pair __attribute__((vector_size(2 * sizeof(double))));

/* (x0 + x2) + (x1 + x3) */
static inline __attribute__((always_inline)) double moe_quad_sum(
    const moe_quad *x) {
  moe_pair low = {(*x)[0], (*x)[1]}, high = {(*x)[2], (*x)[3]};
  moe_pair sum = low + high;
  return (sum + (moe_pair){sum[1], sum[0]})[0];
}

/* Of each place the larger, or b where one is NaN. */
static inline __attribute__((always_inline)) moe_pair moe_pair_larger(
    moe_pair a, moe_pair b) {
#ifdef __SSE2__
  return _mm_max_pd(a, b);
#else
  return (moe_pair){a[0] > b[0] ? a[0] : b[0], a[1] > b[1] ? a[1] : b[1]};
#endif
}

/* The largest of four, none of which is NaN. */
static inline __attribute__((always_inline)) double moe_quad_largest(
    const moe_quad *x) {
  moe_pair low = {(*x)[0], (*x)[1]}, high = {(*x)[2], (*x)[3]};
  moe_pair both = moe_pair_larger(low, high);
  return moe_pair_larger(both, (moe_pair){both[1], both[1]})[0];
}

/* Of a comparison: 1, 2, 4 and 8 where it is true. */
static inline __attribute__((always_inline)) int moe_mask_bits(
    const moe_mask *mask) {
#ifdef __SSE2__
  const moe_quad at = (moe_quad)*mask;
  const moe_pair low = {at[0], at[1]}, high = {at[2], at[3]};
  return _mm_movemask_pd(low) + 4 * _mm_movemask_pd(high);
#else
  return (int)(((*mask)[0] & 1) + ((*mask)[1] & 2) + ((*mask)[2] & 4) +
               ((*mask)[3] & 8));
#endif
}

/* The choice is made when the program or the library is loaded: short vectors
   would feel what it costs.  MOE_COMPILE_QUAD_KERNELS is for files that work on
   quads alone: AVX-512 has nothing for them but masks, which they would wait
   for. */
#ifdef __x86_64__
#define MOE_CHOOSE_KERNELS(ALSO)                          \
  static const kernels *chosen = &portable;               \
  __attribute__((constructor)) static void choose(void) { \
    __builtin_cpu_init();                                 \
    if (__builtin_cpu_supports("avx2")) chosen = &avx2;   \
    ALSO                                                  \
  }                                                       \
  static inline const kernels *best(void) { return chosen; }
#define MOE_COMPILE_QUAD_KERNELS                     \
  COMPILE_FOR(portable, )                            \
  COMPILE_FOR(avx2, __attribute__((target("avx2")))) \
  MOE_CHOOSE_KERNELS()
#define MOE_COMPILE_KERNELS                                                 \
  COMPILE_FOR(portable, )                                                   \
  COMPILE_FOR(avx2, __attribute__((target("avx2"))))                        \
  COMPILE_FOR(avx512, __attribute__((target("avx512f,avx512dq,avx512vl")))) \
  MOE_CHOOSE_KERNELS(if (__builtin_cpu_supports("avx512dq") &&              \
                         __builtin_cpu_supports("avx512vl")) chosen =       \
                         &avx512;)
#else
#define MOE_COMPILE_KERNELS \
  COMPILE_FOR(portable, )   \
  static inline const kernels *best(void) { return &portable; }
#define MOE_COMPILE_QUAD_KERNELS MOE_COMPILE_KERNELS
#endif

#endif
