/* Kernels for the processor at hand: a file's functions compiled once for each
   instruction set, and the best set chosen where they run.

   The file defines `kernels`, a struct of function pointers, and the macro
   COMPILE_FOR(NAME, TARGET), which makes a constant of that type by the name;
   MOE_COMPILE_KERNELS then gives it best(). */
#ifndef MOE_INSTRUCTIONS_H
#define MOE_INSTRUCTIONS_H

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
  return sum[0] + sum[1];
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
