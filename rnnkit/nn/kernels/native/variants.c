/* What this processor can run, and what the library was made from. Compiled for any processor of its family. */
#include <stdint.h>

#define TEXT(name) #name
#define AS_TEXT(name) TEXT(name)

/* SHA-256 of the sources, so that a record can say which kernel gave its bits. */
const char *rnnkit_source(void) { return AS_TEXT(SOURCE); }

/* 2: AVX-512, 1: AVX2, 0: what every processor of the family has, which is enough on Arm. The processor must have what
   the compiler was told of (x86-64-v4, x86-64-v3), and the system must keep the registers. */
#if defined(__x86_64__)
#include <cpuid.h>

int64_t rnnkit_level(void) {
  unsigned a, b, c, d, kept = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  const unsigned fma = c >> 12 & 1, asks = c >> 27 & 1;
  if (asks) __asm__("xgetbv" : "=a"(kept), "=d"(d) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  const unsigned avx2 = 1u << 5 | 1u << 8 | 1u << 3;                               /* AVX2, BMI2, BMI1 */
  const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;   /* F, DQ, CD, BW, VL */
  if (!fma || (b & avx2) != avx2 || (kept & 0x06) != 0x06) return 0;
  return (b & avx512) == avx512 && (kept & 0xe6) == 0xe6 ? 2 : 1;
}
#else
int64_t rnnkit_level(void) { return 0; }
#endif
