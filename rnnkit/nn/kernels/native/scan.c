/* A recurrence that is linear in its state, elementwise: s_t = a_t s_{t-1} + b_t over packed rows, and its backward. Each
   number is one chain of fused multiply-adds in working order. Compiled once for each type of numbers and each kind of
   processor, like stack.c. */
#include "vector.h"

#if BITS == 32
#define FMA __builtin_fmaf
#else
#define FMA __builtin_fma
#endif

typedef struct {
  int64_t steps, size, complex, reverse; /* a row has `size` numbers; complex ones are pairs, which count as two */
  const int64_t *batch_sizes;            /* [steps] */
  const real *a, *initial;               /* [rows][size], [batch][size] */
  real *s;                               /* [rows][size]: forward makes states of the b in it */
  /* backward: d is dL/ds directly, and is made the total; grad_a is dL/da */
  real *d, *grad_a;
} scan;

/* out += a x */
static void add_product(int64_t n, int64_t complex, const real *restrict a, const real *restrict x, real *restrict out) {
  if (!complex)
    for (int64_t i = 0; i < n; i++) out[i] = FMA(a[i], x[i], out[i]);
  else
    for (int64_t i = 0; i < n; i += 2) {
      const real re = FMA(-a[i + 1], x[i + 1], FMA(a[i], x[i], out[i]));
      out[i + 1] = FMA(a[i + 1], x[i], FMA(a[i], x[i + 1], out[i + 1]));
      out[i] = re;
    }
}

/* out = out + conj(a) x */
static void add_conjugate(int64_t n, int64_t complex, const real *restrict a, const real *restrict x, real *restrict out) {
  if (!complex) {
    add_product(n, 0, a, x, out);
    return;
  }
  for (int64_t i = 0; i < n; i += 2) {
    const real re = FMA(a[i + 1], x[i + 1], FMA(a[i], x[i], out[i]));
    out[i + 1] = FMA(-a[i + 1], x[i], FMA(a[i], x[i + 1], out[i + 1]));
    out[i] = re;
  }
}

/* out = d conj(s) */
static void conjugate_product(int64_t n, int64_t complex, const real *restrict d, const real *restrict s, real *restrict out) {
  if (!complex)
    for (int64_t i = 0; i < n; i++) out[i] = d[i] * s[i];
  else
    for (int64_t i = 0; i < n; i += 2) {
      out[i] = FMA(d[i + 1], s[i + 1], d[i] * s[i]);
      out[i + 1] = FMA(-d[i], s[i + 1], d[i + 1] * s[i]);
    }
}

static int64_t rows_of(const scan *p) {
  int64_t rows = 0;
  for (int64_t t = 0; t < p->steps; t++) rows += p->batch_sizes[t];
  return rows;
}

/* The rows of a step have one row each in the step worked before it, save those of sequences that begin here. */
void NAME(rnnkit_scan)(const scan *p) {
  int64_t row = p->reverse ? rows_of(p) : 0, before = 0;
  const real *state = NULL;
  for (int64_t i = 0; i < p->steps; i++) {
    const int64_t count = p->batch_sizes[p->reverse ? p->steps - 1 - i : i];
    if (p->reverse) row -= count;
    const int64_t at = row * p->size, known = (count < before ? count : before) * p->size, all = count * p->size;
    if (known) add_product(known, p->complex, p->a + at, state, p->s + at);
    add_product(all - known, p->complex, p->a + at + known, p->initial + known, p->s + at + known);
    state = p->s + at, before = count;
    if (!p->reverse) row += count;
  }
}

/* d_t += conj(a_{t+1}) d_{t+1}; dL/da_t = d_t conj(s_{t-1}). Against working order. */
void NAME(rnnkit_scan_backward)(const scan *p) {
  int64_t row = p->reverse ? 0 : rows_of(p), after = 0, at_after = 0;
  for (int64_t i = p->steps - 1; i >= 0; i--) {
    const int64_t t = p->reverse ? p->steps - 1 - i : i, count = p->batch_sizes[t];
    if (!p->reverse) row -= count;
    const int64_t at = row * p->size, shared = (count < after ? count : after) * p->size, all = count * p->size;
    if (shared) add_conjugate(shared, p->complex, p->a + at_after, p->d + at_after, p->d + at);
    const int64_t before = i == 0 ? 0 : p->batch_sizes[p->reverse ? t + 1 : t - 1];
    const int64_t known = (count < before ? count : before) * p->size;
    const real *state = p->s + (p->reverse ? row + count : row - before) * p->size;
    if (known) conjugate_product(known, p->complex, p->d + at, state, p->grad_a + at);
    conjugate_product(all - known, p->complex, p->d + at + known, p->initial + known, p->grad_a + at + known);
    at_after = at, after = count;
    if (p->reverse) row += count;
  }
}
