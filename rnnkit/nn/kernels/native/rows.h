/* Products over many rows, and what brings weights into the order in which a product reads them. */
#pragma once
#include "product.h"

INLINE int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t width_of(int64_t numbers) { return (numbers + LANES - 1) / LANES * LANES; }
INLINE int64_t wide_of(int64_t n, int64_t N) { return min_of(TILE_ROW, width_of(N) - n); } /* of the panel from n on */

/* A vector of columns of a panel that is `wide` numbers wide: panel[k wide + lane] = from[lane K + k], with zeros where
   `from` has no row any more. */
INLINE void pack_vector(const real *from, int64_t there, int64_t K, int64_t wide, real *panel) {
  for (int64_t k = 0; k < K; k += LANES) /* squares, so that both sides stay in the cache */
    for (int lane = 0; lane < LANES; lane++)
      for (int64_t j = k; j < min_of(K, k + LANES); j++) panel[j * wide + lane] = lane < there ? from[lane * K + j] : 0;
}

/* w[k][n] as to[panel][k][n], in panels of up to TILE_VECTORS vectors of n, for `rows` rows of the K that `to` has, from
   `row` on. The rest of `to` stays. */
static void pack_rows(const real *w, int64_t rows, int64_t N, int64_t row, int64_t K, real *to) {
  for (int64_t n = 0; n < N; n += TILE_ROW)
    for (int64_t k = 0; k < rows; k++)
      memcpy(to + n * K + (row + k) * wide_of(n, N), w + k * N + n, (size_t)min_of(wide_of(n, N), N - n) * sizeof(real));
}

/* [rows][n] into [rows][width], zeros where there is nothing. */
static void widen(const real *from, int64_t rows, int64_t n, real *to) {
  const int64_t width = width_of(n);
  memset(to, 0, (size_t)(rows * width) * sizeof(real));
  for (int64_t r = 0; from && r < rows; r++) memcpy(to + r * width, from + r * n, (size_t)n * sizeof(real));
}

/* to[row][n] = (or +=) start[n] + sum over k of a[row][k] b[k][n], with b in panels; without `start` from 0 on. */
static void rows_product(const real *a, int64_t a_row, int64_t K, const real *b, const real *start, int64_t rows, int64_t N,
                         int add, real *to, int64_t to_row, real *tile) {
  for (int64_t n = 0; n < N; n += TILE_ROW) {
    const int64_t wide = wide_of(n, N);
    for (int64_t first = 0; first < rows; first += TILE_ROWS) {
      const int64_t count = min_of(TILE_ROWS, rows - first);
      const factors f = {a + first * a_row, a_row, 1, b + n * K, wide, start ? start + n : zeros, 0};
      product(count, (int)(wide / LANES), tile, f, K);
      for (int64_t m = 0; m < count; m++)
        for (int64_t v = 0; v < wide; v += LANES) {
          real *at = to + (first + m) * to_row + n + v;
          const vec sum = load(tile + m * TILE_ROW + v);
          store_part(at, add ? load_part(at, N - n - v) + sum : sum, N - n - v);
        }
    }
  }
}

/* to[k][column] += sum over rows of x[row][k] d[row][column], in chains of `chunk` rows. */
static void weight_sums(const real *x, int64_t x_row, int64_t K, const real *d, int64_t d_row, int64_t columns, int64_t rows,
                        int64_t chunk, real *to, real *tile) {
  for (int64_t first = 0; first < rows; first += chunk) {
    const int64_t count = min_of(chunk, rows - first);
    for (int64_t n = 0; n < columns; n += TILE_ROW) {
      const int64_t wide = min_of(TILE_ROW, columns - n);
      for (int64_t k = 0; k < K; k += TILE_ROWS) {
        const int64_t ks = min_of(TILE_ROWS, K - k);
        const factors f = {x + first * x_row + k, 1, x_row, d + first * d_row + n, d_row, zeros, 0};
        product(ks, (int)(wide / LANES), tile, f, count);
        for (int64_t m = 0; m < ks; m++)
          for (int64_t v = 0; v < wide; v += LANES) {
            real *at = to + (k + m) * columns + n + v;
            store(at, load(at) + load(tile + m * TILE_ROW + v));
          }
      }
    }
  }
}
