/* A linear layer: y = x W^T + b. Its sums are chains in the order of the inputs, so that a row has the same bits in any
   batch. Compiled once for each type of numbers and each kind of processor, like stack.c. */
#include "rows.h"

#if BITS == 32
#define FMA __builtin_fmaf
#else
#define FMA __builtin_fma
#endif

#define LINEAR_CHUNK 512 /* rows whose sums for the weights are one chain */

typedef struct {
  int64_t rows, inputs, outputs;
  const real *x;      /* [rows][inputs] */
  const real *weight; /* [outputs][inputs] */
  const real *bias;   /* [outputs], or NULL */
  real *y;            /* [rows][outputs] */
  real *scratch;
  /* backward: the gradient of y, and those of what went in, NULL for those that nobody asks for */
  const real *grad_y;
  real *grad_x, *grad_weight, *grad_bias;
} linear;

/* Numbers that `scratch` must have room for. */
int64_t NAME(rnnkit_linear_scratch)(const linear *p) {
  return width_of(p->outputs) * (p->inputs + 1) + TILE_ROWS * TILE_ROW;
}
int64_t NAME(rnnkit_linear_backward_scratch)(const linear *p) {
  return width_of(p->inputs) * (2 * p->outputs + p->rows) + TILE_ROWS * TILE_ROW;
}

/* w[n][k] as to[panel][k][n], in panels of up to TILE_VECTORS vectors of n. */
static void pack_transposed(const real *w, int64_t N, int64_t K, real *to) {
  for (int64_t n = 0; n < N; n += TILE_ROW)
    for (int64_t first = n; first < n + wide_of(n, N); first += LANES)
      pack_vector(w + first * K, N - first, K, wide_of(n, N), to + n * K + first - n);
}

/* The same chains for a row or two, for which packing the weights would take most of the time. */
#define FEW_ROWS 2
#define SIDE_BY_SIDE 16 /* chains that do not wait for each other */
static void few_rows(const linear *p) {
  for (int64_t r = 0; r < p->rows; r++)
    for (int64_t n = 0; n < p->outputs; n += SIDE_BY_SIDE) {
      const int64_t count = min_of(SIDE_BY_SIDE, p->outputs - n);
      const real *x = p->x + r * p->inputs, *w = p->weight + n * p->inputs;
      real sums[SIDE_BY_SIDE] = {0};
      for (int64_t i = 0; p->bias && i < count; i++) sums[i] = p->bias[n + i];
      if (count == SIDE_BY_SIDE) /* unrolled by the compiler */
        for (int64_t k = 0; k < p->inputs; k++)
          for (int i = 0; i < SIDE_BY_SIDE; i++) sums[i] = FMA(x[k], w[i * p->inputs + k], sums[i]);
      else
        for (int64_t k = 0; k < p->inputs; k++)
          for (int64_t i = 0; i < count; i++) sums[i] = FMA(x[k], w[i * p->inputs + k], sums[i]);
      memcpy(p->y + r * p->outputs + n, sums, (size_t)count * sizeof(real));
    }
}

void NAME(rnnkit_linear)(const linear *p) {
  if (p->rows <= FEW_ROWS) {
    few_rows(p);
    return;
  }
  real *packed = p->scratch, *bias = packed + width_of(p->outputs) * p->inputs, *tile = bias + width_of(p->outputs);
  pack_transposed(p->weight, p->outputs, p->inputs, packed);
  widen(p->bias, 1, p->outputs, bias);
  rows_product(p->x, p->inputs, p->inputs, packed, bias, p->rows, p->outputs, 0, p->y, p->outputs, tile);
}

/* dL/dx = dL/dy W, dL/dW = dL/dy^T x, dL/db = sum of dL/dy */
void NAME(rnnkit_linear_backward)(const linear *p) {
  const int64_t K = p->inputs, N = p->outputs, width = width_of(K);
  real *packed = p->scratch, *sums = packed + width * N, *wide = sums + width * N, *tile = wide + width * p->rows;
  if (p->grad_x) {
    memset(packed, 0, (size_t)(width * N) * sizeof(real));
    pack_rows(p->weight, N, K, 0, N, packed);
    rows_product(p->grad_y, N, N, packed, NULL, p->rows, K, 0, p->grad_x, K, tile);
  }
  if (p->grad_weight) {
    const real *x = width == K ? p->x : wide;
    if (x == wide) widen(p->x, p->rows, K, wide);
    memset(sums, 0, (size_t)(width * N) * sizeof(real));
    weight_sums(p->grad_y, N, N, x, width, width, p->rows, LINEAR_CHUNK, sums, tile);
    for (int64_t n = 0; n < N; n++) memcpy(p->grad_weight + n * K, sums + n * width, (size_t)K * sizeof(real));
  }
  if (p->grad_bias) {
    memset(p->grad_bias, 0, (size_t)N * sizeof(real));
    for (int64_t r = 0; r < p->rows; r++)
      for (int64_t n = 0; n < N; n++) p->grad_bias[n] += p->grad_y[r * N + n];
  }
}
