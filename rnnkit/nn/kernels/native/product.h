/* The one product that everything is made of, on tiles: sums of a few rows by a few vectors that stay in registers. */
#pragma once
#include "vector.h"

#define TILE_VECTORS 4                            /* in a row of a tile */
#define TILE_ROW (TILE_VECTORS * LANES)           /* numbers in a row of a tile */
#define BLOCK_ROWS (REGISTERS == 32 ? 6 : 3)      /* 6 x 4 sums, 4 vectors of b and one of a fit 32 registers */
#define TILE_ROWS 48                              /* in a tile: it stays in a first-level cache */

/* Where to find the numbers of a product: a[m][k] = a[m a_row + k a_step], b[k][n] = b[k b_step + n], and what is added to,
   start[m][n] = start[m start_row + n]. */
typedef struct {
  const real *a;
  int64_t a_row, a_step;
  const real *b;
  int64_t b_step;
  const real *start;
  int64_t start_row;
} factors;
static const real zeros[TILE_ROW];

/* sum[m][first + n] += sum over k of a[m][k] b[k][n], for M rows and N vectors. Each sum is one chain of fused
   multiply-adds in the order of k, whatever M, N and the width of a vector are: therefore the same sequence has the same
   bits in any batch and on any machine. */
INLINE void add_products(const int M, const int N, const int first, vec (*sum)[TILE_VECTORS], factors f, int64_t K) {
  for (int64_t k = 0; k < K; k++, f.a += f.a_step, f.b += f.b_step) {
    vec b[TILE_VECTORS];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) b[n] = load(f.b + n * LANES);
#pragma GCC unroll 6
    for (int m = 0; m < M; m++) {
      const vec a = all(f.a[m * f.a_row]);
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) sum[m][first + n] = fma_(a, b[n], sum[m][first + n]);
    }
  }
}

/* sum[m][n] = start[m][n] */
INLINE void load_block(const int M, const int N, vec (*sum)[TILE_VECTORS], const real *start, int64_t row) {
#pragma GCC unroll 6
  for (int m = 0; m < M; m++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) sum[m][n] = load(start + m * row + n * LANES);
}

INLINE void store_block(const int M, const int N, vec (*sum)[TILE_VECTORS], real *tile) {
#pragma GCC unroll 6
  for (int m = 0; m < M; m++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store(tile + m * TILE_ROW + n * LANES, sum[m][n]);
}

/* tile[m][n] = start[m][n] + sum over k of a[m][k] b[k][n] */
INLINE void block(const int M, const int N, real *tile, factors f, int64_t K) {
  vec sum[6][TILE_VECTORS];
  load_block(M, N, sum, f.start, f.start_row);
  add_products(M, N, 0, sum, f, K);
  store_block(M, N, sum, tile);
}

/* `block` with M and N known to the compiler. */
#define BLOCK(M, N) case 8 * M + N: block(M, N, tile, f, K); break;
#define BLOCKS(M) BLOCK(M, 1) BLOCK(M, 2) BLOCK(M, 3) BLOCK(M, 4)
static void any_block(int M, int N, real *tile, factors f, int64_t K) {
  switch (8 * M + N) {
    BLOCKS(1) BLOCKS(2) BLOCKS(3)
#if REGISTERS == 32
    BLOCKS(4) BLOCKS(5) BLOCKS(6)
#endif
  }
}

/* The next of the blocks, of about the same size, that `left` rows are cut into. */
INLINE int next_rows(int64_t left) {
  const int64_t blocks = (left + BLOCK_ROWS - 1) / BLOCK_ROWS;
  return (int)((left + blocks - 1) / blocks);
}

/* As `block`, for any number of rows up to TILE_ROWS. */
static void product(int64_t rows, int N, real *tile, factors f, int64_t K) {
  for (int64_t m = 0; m < rows;) {
    const int M = next_rows(rows - m);
    any_block(M, N, tile + m * TILE_ROW, f, K);
    f.a += M * f.a_row, f.start += M * f.start_row, m += M;
  }
}
