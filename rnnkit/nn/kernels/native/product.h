/* The one product that everything is made of, on tiles: sums of a few rows by a few vectors that stay in registers. */
#pragma once
#include "vector.h"

#define TILE_VECTORS 4                            /* in a row of a tile */
#define TILE_ROW (TILE_VECTORS * LANES)           /* numbers in a row of a tile */
#define BLOCK_ROWS (REGISTERS == 32 ? 6 : 3)      /* 6 x 4 sums, 4 vectors of b and one of a fit 32 registers */
#define TILE_ROWS 48                              /* in a tile: with B_ROWS of b it stays in a first-level cache */
#define B_ROWS (192 * 256 / (TILE_ROW * (int)sizeof(real)))

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

/* tile[m][n] = start[m][n] + sum over k of a[m][k] b[k][n], for M rows and N vectors. Each sum is one chain of fused
   multiply-adds in the order of k, whatever M, N and the width of a vector are: therefore the same sequence has the same
   bits in any batch and on any machine. */
INLINE void block(const int M, const int N, real *tile, factors f, int64_t K) {
  vec sum[6][TILE_VECTORS];
#pragma GCC unroll 6
  for (int m = 0; m < M; m++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) sum[m][n] = load(f.start + m * f.start_row + n * LANES);
  for (int64_t k = 0; k < K; k++, f.a += f.a_step, f.b += f.b_step) {
    vec b[TILE_VECTORS];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) b[n] = load(f.b + n * LANES);
#pragma GCC unroll 6
    for (int m = 0; m < M; m++) {
      const vec a = all(f.a[m * f.a_row]);
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) sum[m][n] = fma_(a, b[n], sum[m][n]);
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < M; m++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store(tile + m * TILE_ROW + n * LANES, sum[m][n]);
}

/* `block` with M and N known to the compiler. */
#define BLOCK(M, N) case 8 * M + N: block(M, N, tile, f, K); break;
static void any_block(int M, int N, real *tile, factors f, int64_t K) {
  switch (8 * M + N) {
    BLOCK(1, 1) BLOCK(1, 2) BLOCK(1, 3) BLOCK(1, 4)
    BLOCK(2, 1) BLOCK(2, 2) BLOCK(2, 3) BLOCK(2, 4)
    BLOCK(3, 1) BLOCK(3, 2) BLOCK(3, 3) BLOCK(3, 4)
#if REGISTERS == 32
    BLOCK(4, 1) BLOCK(4, 2) BLOCK(4, 3) BLOCK(4, 4)
    BLOCK(5, 1) BLOCK(5, 2) BLOCK(5, 3) BLOCK(5, 4)
    BLOCK(6, 1) BLOCK(6, 2) BLOCK(6, 3) BLOCK(6, 4)
#endif
  }
}

/* As `block`, for any number of rows up to TILE_ROWS. Where b is long, a part of it that fits the cache is used for all
   rows before the next one: the order of k within each sum remains. */
static void product(int64_t rows, int N, real *tile, factors f, int64_t K) {
  const int64_t blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  for (int64_t k = 0; k < K; k += B_ROWS) {
    const int64_t part = K - k < B_ROWS ? K - k : B_ROWS;
    int64_t m = 0;
    for (int64_t left = blocks; left; left--) { /* blocks of about the same size */
      const int64_t M = (rows - m + left - 1) / left;
      factors here = f;
      here.a += m * f.a_row + k * f.a_step, here.b += k * f.b_step;
      if (k) here.start = tile, here.start_row = TILE_ROW;
      here.start += m * here.start_row;
      any_block((int)M, N, tile + m * TILE_ROW, here, part);
      m += M;
    }
  }
}
