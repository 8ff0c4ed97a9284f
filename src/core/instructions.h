/* Kernels for the processor at hand: a file's functions compiled once for each
   instruction set, and the best set chosen where they run.

   The file defines `kernels`, a struct of function pointers, and the macro
   COMPILE_FOR(NAME, TARGET), which makes a constant of that type by the name;
   MOE_COMPILE_KERNELS then gives it best(). */
#ifndef MOE_INSTRUCTIONS_H
#define MOE_INSTRUCTIONS_H

#ifdef __x86_64__
#define MOE_COMPILE_KERNELS                                                 \
  COMPILE_FOR(portable, )                                                   \
  COMPILE_FOR(avx2, __attribute__((target("avx2"))))                        \
  COMPILE_FOR(avx512, __attribute__((target("avx512f,avx512dq,avx512vl")))) \
  static const kernels *best(void) {                                        \
    if (__builtin_cpu_supports("avx512dq") &&                               \
        __builtin_cpu_supports("avx512vl"))                                 \
      return &avx512;                                                       \
    return __builtin_cpu_supports("avx2") ? &avx2 : &portable;              \
  }
#else
#define MOE_COMPILE_KERNELS \
  COMPILE_FOR(portable, )   \
  static const kernels *best(void) { return &portable; }
#endif

#endif
