/* Vectors of LANES numbers. Each operation rounds as IEEE says and none is fused but where `fma` stands, so that a
   number comes out the same whatever LANES is (compile with -ffp-contract=off).

   + - * / and comparisons on `vec` are the compiler's own (GCC and clang). What they have no sign for is below. */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* The name of a function that is compiled several times: with its variant and type, `_avx2_f32` say. */
#define JOIN(a, b) a##b
#define JOINED(a, b) JOIN(a, b)
#define NAME(name) JOINED(name, SUFFIX)

#if BITS == 32
typedef float real;
typedef int32_t whole;
#define MANTISSA 23
#else
typedef double real;
typedef int64_t whole;
#define MANTISSA 52
#endif

#define LANES (WIDTH / (int)sizeof(real)) /* WIDTH: bytes in a vector */
typedef real vec __attribute__((vector_size(WIDTH)));
typedef whole whole_vec __attribute__((vector_size(WIDTH)));

#if defined(__x86_64__)
#include <immintrin.h>
#if WIDTH == 64 && BITS == 32
#define OP(name) _mm512_##name##_ps
#elif WIDTH == 64
#define OP(name) _mm512_##name##_pd
#elif BITS == 32
#define OP(name) _mm256_##name##_ps
#else
#define OP(name) _mm256_##name##_pd
#endif
INLINE vec load(const real *p) { return OP(loadu)(p); }
INLINE void store(real *p, vec v) { OP(storeu)(p, v); }
INLINE vec all(real value) { return OP(set1)(value); }
INLINE vec fma_(vec a, vec b, vec c) { return OP(fmadd)(a, b, c); }   /* a b + c, rounded once */
INLINE vec fnma(vec a, vec b, vec c) { return OP(fnmadd)(a, b, c); }  /* c - a b, rounded once */
INLINE vec larger(vec a, vec b) { return OP(max)(a, b); }             /* b where either is NaN, in these two */
INLINE vec smaller(vec a, vec b) { return OP(min)(a, b); }
#ifdef __AVX512VL__
#define REGISTERS 32
#else
#define REGISTERS 16
#endif

#elif defined(__aarch64__)
#include <arm_neon.h>
#if BITS == 32
#define OP(name) name##_f32
#define MASK(v) (uint32x4_t)(v)
#else
#define OP(name) name##_f64
#define MASK(v) (uint64x2_t)(v)
#endif
INLINE vec load(const real *p) { return OP(vld1q)(p); }
INLINE void store(real *p, vec v) { OP(vst1q)(p, v); }
INLINE vec all(real value) { return OP(vdupq_n)(value); }
INLINE vec fma_(vec a, vec b, vec c) { return OP(vfmaq)(c, a, b); }
INLINE vec fnma(vec a, vec b, vec c) { return OP(vfmsq)(c, a, b); }
INLINE vec larger(vec a, vec b) { return OP(vbslq)(MASK(a > b), a, b); }
INLINE vec smaller(vec a, vec b) { return OP(vbslq)(MASK(a < b), a, b); }
#define REGISTERS 32
#endif

/* The first `lanes` numbers alone, at least one; the others are 0 when loaded. */
#if defined(__x86_64__) && WIDTH == 64
INLINE vec load_part(const real *p, int64_t lanes) {
  return lanes >= LANES ? load(p) : (vec)OP(maskz_loadu)((1u << lanes) - 1, p);
}
INLINE void store_part(real *p, vec v, int64_t lanes) {
  if (lanes >= LANES) store(p, v);
  else OP(mask_storeu)(p, (1u << lanes) - 1, v);
}
#else
INLINE vec load_part(const real *p, int64_t lanes) {
  if (lanes >= LANES) return load(p);
  real part[LANES] = {0};
  memcpy(part, p, (size_t)lanes * sizeof(real));
  return load(part);
}
INLINE void store_part(real *p, vec v, int64_t lanes) {
  if (lanes >= LANES) { store(p, v); return; }
  real part[LANES];
  store(part, v);
  memcpy(p, part, (size_t)lanes * sizeof(real));
}
#endif

/* exp(x) = s (1 + q), with s = 2^n for the whole number n nearest to x / ln 2, and q = exp(r) - 1 for the rest r,
   |r| <= ln 2 / 2, by its Taylor series: what is left out is below half a unit in the last place. Both are kept apart,
   so that exp(x) - 1 loses nothing where x is small. |x| must be so small that 2^n is a normal number. */
INLINE void split_exp(vec x, vec *s, vec *q) {
#if BITS == 32
  static const real series[] = {1.f / 5040, 1.f / 720, 1.f / 120, 1.f / 24, 1.f / 6, 1.f / 2};
  const real shift = 0x1.8p23f, one_over_ln2 = 0x1.715476p0f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
#else
  static const real series[] = {1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320,
                                1. / 5040,       1. / 720,       1. / 120,      1. / 24,      1. / 6,      1. / 2};
  const real shift = 0x1.8p52, one_over_ln2 = 0x1.71547652b82fep0, ln2_high = 0x1.62e42fefap-1, ln2_low = 0x1.cf79abc9e3b3ap-40;
#endif
  const vec shifted = fma_(x, all(one_over_ln2), all(shift)); /* n stands in the last bits */
  const vec n = shifted - all(shift);
  const vec r = fnma(n, all(ln2_low), fnma(n, all(ln2_high), x));
  vec sum = all(series[0]);
  for (size_t i = 1; i < sizeof series / sizeof *series; i++) sum = fma_(sum, r, all(series[i]));
  const vec one = all(1);
  *q = fma_(sum, r * r, r);
  *s = (vec)(((whole_vec)shifted << MANTISSA) + (whole_vec)one);
}

#if BITS == 32
#define MOST_EXP 87
#define MOST_TANH 9.25f /* from here on tanh is 1 as rounded */
#else
#define MOST_EXP 708
#define MOST_TANH 19.5
#endif

/* 1 / (1 + exp(-x)) */
INLINE vec sigmoid(vec x) {
  vec s, q;
  split_exp(smaller(all(MOST_EXP), larger(all(-MOST_EXP), -x)), &s, &q);
  return all(1) / (all(1) + fma_(s, q, s));
}

/* (exp(2x) - 1) / (exp(2x) + 1) */
INLINE vec tanh_(vec x) {
  vec s, q;
  split_exp(smaller(all(2 * MOST_TANH), larger(all(-2 * MOST_TANH), x + x)), &s, &q);
  const vec less = fma_(s, q, s - all(1));
  return less / (less + all(2));
}

/* The sum of eight partial sums. */
INLINE double sum_of_eight(const double *s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

INLINE vec select_(whole_vec where, vec a, vec b) { return (vec)((where & (whole_vec)a) | (~where & (whole_vec)b)); }

/* All bits set in the first `lanes` lanes. */
INLINE whole_vec before(int64_t lanes) {
  static const whole numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  whole_vec number;
  memcpy(&number, numbers, sizeof number);
  return number < (whole)lanes;
}

/* exp(x) for x <= 0; 0 where it would be no normal number */
INLINE vec exp_below(vec x) {
  vec s, q;
  split_exp(larger(all(-MOST_EXP), x), &s, &q);
  return select_((whole_vec)(x < all(-MOST_EXP)), all(0), fma_(s, q, s));
}

/* 2 artanh(t) = 2 (t + t^3 / 3 + t^5 / 5 + ...) for |t| <= 1/3, that is log((1 + t) / (1 - t)) */
INLINE vec twice_artanh(vec t) {
  const int last = BITS == 32 ? 15 : 35;
  const vec square = t * t;
  vec sum = all((real)1 / last);
  for (int n = last - 2; n > 0; n -= 2) sum = fma_(sum, square, all((real)1 / n));
  return (t + t) * sum;
}

/* log(1 + x) for 0 <= x <= 1 */
INLINE vec log1p_of(vec x) { return twice_artanh(x / (x + all(2))); }

/* log(x) for a normal number x: n log 2 + log(m), with x = m 2^n and m between the roots of 1/2 and of 2 */
INLINE real log_of(real x) {
  const real ln2_high = BITS == 32 ? (real)0x1.62e4p-1 : (real)0x1.62e42fefap-1;
  const real ln2_low = BITS == 32 ? (real)0x1.7f7d1cp-20 : (real)0x1.cf79abc9e3b3ap-40;
  if (!(x <= (real)(BITS == 32 ? 3e38 : 1.7e308))) return x; /* NaN, infinity */
  const whole bias = BITS == 32 ? 127 : 1023;
  whole bits;
  memcpy(&bits, &x, sizeof x);
  whole n = (bits >> MANTISSA) - bias;
  bits -= n << MANTISSA;
  real m; /* 1 to 2 */
  memcpy(&m, &bits, sizeof m);
  if (m > (real)1.4142135623730951) m *= (real)0.5, n++;
  vec of_m = twice_artanh((all(m) - all(1)) / (all(m) + all(1)));
  real line[LANES];
  store(line, of_m);
  return (real)n * ln2_high + (line[0] + (real)n * ln2_low);
}
