/* What happens to all parameters at once: norms of gradients, and steps of optimizers. Elementwise, or summed in double
   precision in eight partial sums, so that no width of a vector changes a bit. */
#include "vector.h"

typedef struct {
  int64_t count;
  const int64_t *sizes;        /* [count] */
  const real *const *tensors;  /* [count][size] */
  const real *const *others;   /* [count][size], what is taken from them; or NULL for nothing */
  double *squares;             /* [count]: the sum of squares of each */
} norms;

void NAME(rnnkit_norms)(const norms *p) {
  for (int64_t k = 0; k < p->count; k++) {
    const real *a = p->tensors[k], *b = p->others ? p->others[k] : NULL;
    const int64_t size = p->sizes[k];
    double sums[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= size; i += 8)
      for (int j = 0; j < 8; j++) {
        const double d = (double)a[i + j] - (b ? (double)b[i + j] : 0);
        sums[j] += d * d;
      }
    for (int j = 0; i < size; i++, j++) {
      const double d = (double)a[i] - (b ? (double)b[i] : 0);
      sums[j] += d * d;
    }
    p->squares[k] = sum_of_eight(sums);
  }
}

enum optimizer { SGD, RMSPROP, ADAM };

typedef struct {
  int64_t optimizer, step, count; /* `step` counts from 1 */
  const int64_t *sizes;
  real *const *values;
  const real *const *gradients; /* NULL in it for a parameter that has none, which stays */
  real *const *means, *const *squares;
  double scale;                 /* what gradients are multiplied with first: below 1 where they are clipped */
  double rate, beta1, beta2, epsilon;
} update;

#if BITS == 32
#define ROOT __builtin_sqrtf
#else
#define ROOT __builtin_sqrt
#endif

/* base^n by repeated squaring: pow of a C library may differ in its last bit from another one's. */
static double power(double base, int64_t n) {
  double result = 1;
  for (; n; n >>= 1, base *= base)
    if (n & 1) result *= base;
  return result;
}

/* m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2;
   w -= rate / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)          (Kingma & Ba, Adam, 2015) */
static void adam(const update *p, int64_t n, real *restrict w, const real *restrict g, real *restrict m, real *restrict v) {
  const real scale = (real)p->scale, beta2 = (real)p->beta2, of_m = (real)(1 - p->beta1), of_v = (real)(1 - p->beta2);
  const real rate = (real)(p->rate / (1 - power(p->beta1, p->step))), epsilon = (real)p->epsilon;
  const real correction = (real)__builtin_sqrt(1 - power(p->beta2, p->step));
  for (int64_t i = 0; i < n; i++) {
    const real d = g[i] * scale;
    m[i] += (d - m[i]) * of_m;
    v[i] = v[i] * beta2 + d * d * of_v;
    w[i] -= rate * m[i] / (ROOT(v[i]) / correction + epsilon);
  }
}

/* v = beta2 v + (1 - beta2) g^2; w -= rate g / (sqrt(v) + epsilon)           (Tieleman & Hinton, lecture 6.5, 2012) */
static void rmsprop(const update *p, int64_t n, real *restrict w, const real *restrict g, real *restrict v) {
  const real scale = (real)p->scale, rate = (real)p->rate, epsilon = (real)p->epsilon;
  const real beta2 = (real)p->beta2, of_v = (real)(1 - p->beta2);
  for (int64_t i = 0; i < n; i++) {
    const real d = g[i] * scale;
    v[i] = v[i] * beta2 + d * d * of_v;
    w[i] -= rate * d / (ROOT(v[i]) + epsilon);
  }
}

/* w -= rate g */
static void sgd(const update *p, int64_t n, real *restrict w, const real *restrict g) {
  const real scale = (real)p->scale, rate = (real)p->rate;
  for (int64_t i = 0; i < n; i++) w[i] -= rate * (g[i] * scale);
}

void NAME(rnnkit_update)(const update *p) {
  for (int64_t k = 0; k < p->count; k++) {
    const int64_t n = p->sizes[k];
    const real *g = p->gradients[k];
    if (!g) continue;
    if (p->optimizer == ADAM) adam(p, n, p->values[k], g, p->means[k], p->squares[k]);
    else if (p->optimizer == RMSPROP) rmsprop(p, n, p->values[k], g, p->squares[k]);
    else sgd(p, n, p->values[k], g);
  }
}
