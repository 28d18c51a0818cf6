/* Forward: the equations of rnnkit/nn/cells.py, for all rows of a step and one panel of units at a time. */
#pragma once
#include "layer.h"

/* What is kept of a row and a vector of units for backward, a vector each. Of a step lie side by side kept[vector of units]
   [row][what][lane], in the order in which they are written and read: memory is as slow as the products are. */
enum { RNN_H, RNN_KEPT };
enum { GRU_H, GRU_R, GRU_Z, GRU_N, GRU_HN, GRU_KEPT };
enum { LSTM_H, LSTM_I, LSTM_F, LSTM_G, LSTM_O, LSTM_C, LSTM_TANH_C, LSTM_KEPT };
INLINE int kept_vectors(int64_t cell) { return cell == LSTM ? LSTM_KEPT : cell == GRU ? GRU_KEPT : RNN_KEPT; }
/* Numbers that are kept of `rows` rows and a vector of units. */
INLINE int64_t kept_of(int64_t cell, int64_t rows) { return rows * kept_vectors(cell) * LANES; }
/* Of the step that begins at `row`. In pieces, since large blocks of memory are taken from the system anew each time. */
INLINE real *kept_step(const layer *p, int64_t row) {
  return p->kept[row / p->kept_rows] + kept_of(p->cell, row % p->kept_rows) * (width_of(p->hidden) / LANES);
}
/* Of that step of `count` rows, from its row b and the vector of unit u on. */
INLINE real *kept_panel(const layer *p, int64_t row, int64_t count, int64_t b, int64_t u) {
  return kept_step(p, row) + kept_of(p->cell, count) * (u / LANES) + kept_of(p->cell, b);
}

/* A panel of a step: `rows` sequences by `vectors` vectors of units, of which the first `units` are there. All pointers
   are at the first unit of the panel and the first row. */
typedef struct {
  int64_t rows, units, width;
  int vectors;
  const real *tile;   /* gates before activation */
  const real *before; /* [rows][width]: h_{t-1} */
  real *state, *c;    /* [rows][width]: h_t, and c_{t-1} that becomes c_t */
  real *h;            /* [rows][h_row] */
  int64_t h_row;
  real *kept;         /* [vectors][all rows of the step][what][lane], or NULL */
  int64_t kept_next;  /* numbers from a vector to the next */
  real *cells;        /* [rows][hidden], or NULL */
  int64_t hidden;
} panel;

/* h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu */
static void rnn_panel(const panel *p, int relu) {
  for (int64_t m = 0; m < p->rows; m++)
    for (int v = 0; v < p->vectors; v++) {
      const int64_t u = v * LANES, at = m * p->width + u;
      const vec a = load(p->tile + m * TILE_ROW + u);
      const vec h = relu ? larger(all(0), a) : tanh_(a);
      if (p->kept) store(p->kept + v * p->kept_next + (m * RNN_KEPT + RNN_H) * LANES, h);
      store(p->state + at, h);
      store_part(p->h + m * p->h_row + u, h, p->units - u);
    }
}

/* r, z = sigmoid(W x_t + b + W h_{t-1} + b); n = tanh(W x_t + b + r (W h_{t-1} + b)); h_t = n + z (h_{t-1} - n) */
static void gru_panel(const panel *p) {
  for (int64_t m = 0; m < p->rows; m++) {
    const real *a = p->tile + m * TILE_ROW;
    const vec hn = load(a), before = load(p->before + m * p->width);
    const vec r = sigmoid(load(a + LANES)), z = sigmoid(load(a + 2 * LANES));
    const vec n = tanh_(fma_(r, hn, load(a + 3 * LANES)));
    const vec h = fma_(z, before - n, n);
    if (p->kept) {
      real *kept = p->kept + m * GRU_KEPT * LANES;
      store(kept + GRU_H * LANES, h);
      store(kept + GRU_R * LANES, r);
      store(kept + GRU_Z * LANES, z);
      store(kept + GRU_N * LANES, n);
      store(kept + GRU_HN * LANES, hn);
    }
    store(p->state + m * p->width, h);
    store_part(p->h + m * p->h_row, h, p->units);
  }
}

/* i, f, o = sigmoid(W x_t + b + W h_{t-1} + b); g = tanh(likewise); c_t = f c_{t-1} + i g; h_t = o tanh(c_t) */
static void lstm_panel(const panel *p) {
  for (int64_t m = 0; m < p->rows; m++) {
    const real *a = p->tile + m * TILE_ROW;
    const vec i = sigmoid(load(a)), f = sigmoid(load(a + LANES));
    const vec g = tanh_(load(a + 2 * LANES)), o = sigmoid(load(a + 3 * LANES));
    const vec c_before = load(p->c + m * p->width);
    const vec c = fma_(f, c_before, i * g), tanh_c = tanh_(c), h = o * tanh_c;
    if (p->kept) {
      real *kept = p->kept + m * LSTM_KEPT * LANES;
      store(kept + LSTM_H * LANES, h);
      store(kept + LSTM_I * LANES, i);
      store(kept + LSTM_F * LANES, f);
      store(kept + LSTM_G * LANES, g);
      store(kept + LSTM_O * LANES, o);
      store(kept + LSTM_C * LANES, c);
      store(kept + LSTM_TANH_C * LANES, tanh_c);
    }
    store(p->c + m * p->width, c);
    store(p->state + m * p->width, h);
    store_part(p->h + m * p->h_row, h, p->units);
    if (p->cells) store_part(p->cells + m * p->hidden, c, p->units);
  }
}

/* A panel: the units whose gates make one row of a tile. One vector of units with all gates, or, where a unit has one
   gate, as many vectors of units as a tile is wide. */
INLINE int panel_vectors(const layer *p, int64_t unit) {
  return p->cell >= GRU ? 1 : (int)min_of(TILE_VECTORS, (width_of(p->hidden) - unit) / LANES);
}

/* Weights in the order in which a product reads them: to[panel][k][column][lane]. */
static void pack_by_unit(const layer *p, const real *w, const int *order, int64_t K, real *to) {
  const int gated = p->cell >= GRU, gates = gates_of(p->cell);
  for (int64_t u = 0; u < width_of(p->hidden); u += LANES * panel_vectors(p, u)) {
    const int columns = gated ? gates : panel_vectors(p, u);
    for (int column = 0; column < columns; column++) {
      const int64_t first = gated ? u : u + column * LANES, gate = gated ? order[column] : 0;
      const real *from = w + (gate * p->hidden + first) * K;
      pack_vector(from, p->hidden - first, K, columns * LANES, to + u * gates * K + column * LANES);
    }
  }
}

/* Both biases in the columns of tiles, panel by panel. */
static void pack_biases(const layer *p, real *to) {
  const int columns = columns_of(p->cell);
  memset(to, 0, (size_t)(columns * width_of(p->hidden)) * sizeof(real));
  if (!p->b_ih) return;
  for (int64_t u = 0; u < p->hidden; u++)
    for (int gate = 0; gate < gates_of(p->cell); gate++) {
      const real from_x = p->b_ih[gate * p->hidden + u], from_h = p->b_hh[gate * p->hidden + u];
      real *unit = p->cell >= GRU ? to + u / LANES * 4 * LANES + u % LANES : to + u;
      if (p->cell != GRU) unit[gate * LANES] = from_x + from_h;
      else if (gate < 2) unit[(gate + 1) * LANES] = from_x + from_h;
      else unit[0] = from_h, unit[3 * LANES] = from_x;
    }
}

/* Rows of [batch][width] into [batch][hidden]. */
static void narrow(const real *from, int64_t first, int64_t last, int64_t hidden, real *to) {
  const int64_t width = width_of(hidden);
  for (int64_t b = first; b < last; b++) memcpy(to + b * hidden, from + b * width, (size_t)hidden * sizeof(real));
}

/* Gates before activation, tile[m][column], of M rows: biases, W_ih x_t and W_hh h_{t-1}, without leaving the registers.
   There are C columns; h fills the first N of them, and x as many from the column `first` on. */
INLINE void gates_block(const int M, const int C, const int N, const int first, real *tile, const real *biases, factors x,
                        int64_t inputs, factors h, int64_t hidden) {
  vec sum[6][TILE_VECTORS];
  load_block(M, C, sum, biases, 0);
  add_products(M, N, first, sum, x, inputs);
  add_products(M, N, 0, sum, h, hidden);
  store_block(M, C, sum, tile);
}

/* `gates_block` with all sizes known to the compiler: a GRU's has 4 columns of 3 and 3. */
#define GATES_BLOCK(M, C, N, first) \
  case 32 * M + 4 * N + first: gates_block(M, C, N, first, tile, biases, x, inputs, h, hidden); break;
#define GATES_BLOCKS(M) \
  GATES_BLOCK(M, 1, 1, 0) GATES_BLOCK(M, 2, 2, 0) GATES_BLOCK(M, 3, 3, 0) GATES_BLOCK(M, 4, 4, 0) GATES_BLOCK(M, 4, 3, 1)
static void gates_product(int64_t rows, int N, int first, real *tile, const real *biases, factors x, int64_t inputs, factors h,
                          int64_t hidden) {
  for (int64_t m = 0; m < rows;) {
    const int M = next_rows(rows - m);
    switch (32 * M + 4 * N + first) {
      GATES_BLOCKS(1) GATES_BLOCKS(2) GATES_BLOCKS(3)
#if REGISTERS == 32
      GATES_BLOCKS(4) GATES_BLOCKS(5) GATES_BLOCKS(6)
#endif
    }
    x.a += M * x.a_row, h.a += M * h.a_row, tile += M * TILE_ROW, m += M;
  }
}

/* All panels of step t, whose first row is `row`: states `before` of all sequences to states `state`. */
static void forward_step(const layer *p, int64_t row, int64_t count, const real *before, real *state, real *c,
                         const real *w_x, const real *w_h, const real *bias, real *tile) {
  const int64_t width = width_of(p->hidden);
  const int gated = p->cell >= GRU, gates = gates_of(p->cell);
  for (int64_t u = 0; u < width; u += LANES * panel_vectors(p, u)) {
    const int vectors = panel_vectors(p, u), columns = gated ? gates : vectors;
    for (int64_t b = 0; b < count; b += TILE_ROWS) {
      const int64_t rows = min_of(TILE_ROWS, count - b);
      const factors of_x = {p->x + (row + b) * p->x_row, p->x_row, 1, w_x + u * gates * p->inputs, columns * LANES, NULL, 0};
      const factors of_h = {before + b * width, width, 1, w_h + u * gates * p->hidden, columns * LANES, NULL, 0};
      gates_product(rows, columns, first_of_x(p->cell), tile, bias + u * columns_of(p->cell), of_x, p->inputs, of_h, p->hidden);
      const panel at = {
          .rows = rows, .units = p->hidden - u, .width = width, .vectors = vectors, .tile = tile,
          .before = before + b * width + u, .state = state + b * width + u, .c = c + b * width + u,
          .h = p->h + (row + b) * p->h_row + u, .h_row = p->h_row,
          .kept = p->keep ? kept_panel(p, row, count, b, u) : NULL, .kept_next = kept_of(p->cell, count),
          .cells = p->cells ? p->cells + (row + b) * p->hidden + u : NULL, .hidden = p->hidden};
      if (p->cell == LSTM) lstm_panel(&at);
      else if (p->cell == GRU) gru_panel(&at);
      else rnn_panel(&at, p->cell == RNN_RELU);
    }
  }
}

static void forward_layer(const layer *p) {
  const int64_t width = width_of(p->hidden), states = p->batch * width, gates = gates_of(p->cell);
  real *w_x = p->scratch, *w_h = w_x + gates * width * p->inputs, *bias = w_h + gates * width * p->hidden;
  real *before = bias + columns_of(p->cell) * width, *state = before + states, *c = state + states, *tile = c + states;
  pack_by_unit(p, p->w_ih, in_order, p->inputs, w_x);
  pack_by_unit(p, p->w_hh, order_of_h(p->cell), p->hidden, w_h);
  /* The x part of a GRU's gates has the order r, z, n in columns 1 to 3, the h part n, r, z in columns 0 to 2. */
  pack_biases(p, bias);
  /* Both buffers of states hold h_0 at first, so that sequences that begin later (in reverse) begin there. */
  widen(p->h_0, p->batch, p->hidden, before);
  widen(p->h_0, p->batch, p->hidden, state);
  widen(p->c_0, p->batch, p->hidden, c);
  int64_t row = p->reverse ? p->rows : 0, count_before = p->reverse ? 0 : p->batch;
  for (int64_t s = 0; s < p->steps; s++) {
    const int64_t count = p->batch_sizes[p->reverse ? p->steps - 1 - s : s];
    if (p->reverse) row -= count;
    narrow(before, count, count_before, p->hidden, p->h_n); /* of those that ended in the step before */
    forward_step(p, row, count, before, state, c, w_x, w_h, bias, tile);
    if (!p->reverse) row += count;
    count_before = count;
    real *swap = before;
    before = state, state = swap;
  }
  narrow(before, 0, count_before, p->hidden, p->h_n);
  if (p->cell == LSTM) narrow(c, 0, p->batch, p->hidden, p->c_n);
}
