/* Backward through time (Werbos, 1990): step by step against working order, then, for a chunk of rows, what its gates'
   gradients give to weights and inputs.

   d_gates[rows][columns][width] are the gradients of gates before activation. For a GRU these are n as h sees it, r, z,
   and n as x sees it: the states' product reads columns 0 to 2, the input's 1 to 3. */
#pragma once
#include "forward.h"

/* Rows whose sums for the weights are one chain. A constant, since those bits depend on it. */
#define CHUNK_ROWS 128

/* Numbers from a row of d_gates to the next: a cache line more than there are, since rows at distances of powers of two
   push each other out of the cache. */
#define ROW_PADDING (64 / (int64_t)sizeof(real))
INLINE int64_t gates_row(const layer *p) { return columns_of(p->cell) * width_of(p->hidden) + ROW_PADDING; }
INLINE int64_t before_row(int64_t width) { return width + ROW_PADDING; }

/* A panel of a step: `rows` sequences by `vectors` vectors of units. All pointers are at its first unit and row. The first
   `follow` rows have a step before this one in the order of forward, the others begin here. */
typedef struct {
  int64_t rows, follow, units, width;
  int vectors;
  const real *tile;          /* what comes from the step worked before this one: W_hh^T d_gates, or dL/dh_n */
  const real *grad_h;        /* [rows][h_row], or NULL */
  int64_t h_row;
  const real *kept, *kept_before;      /* see forward.h; of this step, and of the one before */
  int64_t kept_next, kept_before_next; /* numbers from a vector to the next */
  const real *h_0, *c_0;               /* [rows][width] */
  real *h_before;                      /* [rows][before_row]: h_{t-1}, for the weights' sums */
  real *carry;               /* [rows][width]: dL/dc of an LSTM on its way, dL/dh of a GRU that bypasses the gates */
  real *d_gates;             /* [rows][gates_row] */
  int64_t d_row;
  real *total_h, *total_c;   /* [rows][hidden], or NULL */
  int64_t hidden;
} panel_back;

/* What was kept of a row and vector of units. */
INLINE const real *kept_at(const panel_back *p, int64_t m, int64_t u, int what) {
  return p->kept + u / LANES * p->kept_next + m * what * LANES;
}

/* A number of the step before, `which` of `what` is kept of it, or what a sequence begins with. */
INLINE vec of_before(const panel_back *p, int64_t m, int64_t u, int which, int what, const real *start) {
  if (m >= p->follow) return load(start + m * p->width + u);
  return load(p->kept_before + u / LANES * p->kept_before_next + (m * what + which) * LANES);
}

/* d_h: the total gradient of h_t of one row and vector of units. */
INLINE vec total_gradient(const panel_back *p, int64_t m, int64_t u) {
  vec d_h = load(p->tile + m * TILE_ROW + u);
  if (p->grad_h) d_h += load_part(p->grad_h + m * p->h_row + u, p->units - u);
  return d_h;
}

/* d_a = d_h (1 - h^2), or d_h where h > 0 */
static void rnn_panel_back(const panel_back *p, int relu) {
  for (int64_t m = 0; m < p->rows; m++)
    for (int64_t u = 0; u < p->vectors * LANES; u += LANES) {
      const vec h = load(kept_at(p, m, u, RNN_KEPT) + RNN_H * LANES);
      const vec d_h = total_gradient(p, m, u);
      const vec d_a = relu ? (vec)((whole_vec)d_h & ~(whole_vec)(h <= all(0))) : d_h * fnma(h, h, all(1));
      store(p->h_before + m * before_row(p->width) + u, of_before(p, m, u, RNN_H, RNN_KEPT, p->h_0));
      store(p->d_gates + m * p->d_row + u, d_a);
      if (p->total_h) store_part(p->total_h + m * p->hidden + u, d_h, p->units - u);
    }
}

/* d_n = d_h (1 - z) (1 - n^2), d_z = d_h (h_{t-1} - n) z (1 - z), d_r = d_n (W_hn h_{t-1} + b_hn) r (1 - r) */
static void gru_panel_back(const panel_back *p) {
  const vec one = all(1);
  for (int64_t m = 0; m < p->rows; m++)
    for (int64_t u = 0; u < p->vectors * LANES; u += LANES) {
      const real *kept = kept_at(p, m, u, GRU_KEPT);
      const vec before = of_before(p, m, u, GRU_H, GRU_KEPT, p->h_0), r = load(kept + GRU_R * LANES);
      const vec z = load(kept + GRU_Z * LANES), n = load(kept + GRU_N * LANES);
      const vec hn = load(kept + GRU_HN * LANES);
      real *carry = p->carry + m * p->width + u, *d = p->d_gates + m * p->d_row + u;
      const vec d_h = total_gradient(p, m, u) + load(carry);
      const vec d_n = d_h * (one - z) * fnma(n, n, one);
      store(p->h_before + m * before_row(p->width) + u, before);
      store(d, d_n * r);
      store(d + p->width, d_n * hn * (r * (one - r)));
      store(d + 2 * p->width, d_h * (before - n) * (z * (one - z)));
      store(d + 3 * p->width, d_n);
      store(carry, d_h * z);
      if (p->total_h) store_part(p->total_h + m * p->hidden + u, d_h, p->units - u);
    }
}

/* d_c += d_h o (1 - tanh(c)^2); d_i = d_c g i (1 - i), d_f = d_c c_{t-1} f (1 - f), d_g = d_c i (1 - g^2),
   d_o = d_h tanh(c) o (1 - o); f d_c goes on to c_{t-1} */
static void lstm_panel_back(const panel_back *p) {
  const vec one = all(1);
  for (int64_t m = 0; m < p->rows; m++)
    for (int64_t u = 0; u < p->vectors * LANES; u += LANES) {
      const real *kept = kept_at(p, m, u, LSTM_KEPT);
      const vec i = load(kept + LSTM_I * LANES), f = load(kept + LSTM_F * LANES);
      const vec g = load(kept + LSTM_G * LANES), o = load(kept + LSTM_O * LANES);
      const vec c_before = of_before(p, m, u, LSTM_C, LSTM_KEPT, p->c_0), tanh_c = load(kept + LSTM_TANH_C * LANES);
      real *carry = p->carry + m * p->width + u, *d = p->d_gates + m * p->d_row + u;
      const vec d_h = total_gradient(p, m, u);
      store(p->h_before + m * before_row(p->width) + u, of_before(p, m, u, LSTM_H, LSTM_KEPT, p->h_0));
      const vec d_c = fma_(d_h * o, fnma(tanh_c, tanh_c, one), load(carry));
      store(d, d_c * g * (i * (one - i)));
      store(d + p->width, d_c * c_before * (f * (one - f)));
      store(d + 2 * p->width, d_c * i * fnma(g, g, one));
      store(d + 3 * p->width, d_h * tanh_c * (o * (one - o)));
      store(carry, d_c * f);
      if (p->total_h) store_part(p->total_h + m * p->hidden + u, d_h, p->units - u);
      if (p->total_c) store_part(p->total_c + m * p->hidden + u, d_c, p->units - u);
    }
}

/* Transposed weights in the order in which a product reads them: to[panel][gate][unit][vector][lane], for N columns of w,
   that is units of h or of x. */
static void pack_by_column(const layer *p, const real *w, const int *order, int64_t N, real *to) {
  const int64_t width = width_of(p->hidden), K = gates_of(p->cell) * width;
  memset(to, 0, (size_t)(K * width_of(N)) * sizeof(real));
  for (int gate = 0; gate < gates_of(p->cell); gate++)
    pack_rows(w + order[gate] * p->hidden * N, p->hidden, N, gate * width, K, to);
}

/* Sums of weight_sums in torch's order: gradient[gate hidden][k]. */
static void unpack_sums(const layer *p, const real *sums, const int *order, int64_t K, real *gradient) {
  const int64_t width = width_of(p->hidden), columns = gates_of(p->cell) * width;
  for (int gate = 0; gate < gates_of(p->cell); gate++)
    for (int64_t first = 0; first < p->hidden; first += LANES) /* squares, so that both sides stay in the cache */
      for (int64_t k = 0; k < K; k += LANES)
        for (int64_t u = first; u < min_of(p->hidden, first + LANES); u++)
          for (int64_t j = k; j < min_of(K, k + LANES); j++)
            gradient[(order[gate] * p->hidden + u) * K + j] = sums[j * columns + gate * width + u];
}

/* Places in scratch that the steps of backward share. */
typedef struct {
  const real *w_h;       /* for products */
  const real *last;      /* [batch][width]: dL/dh_n */
  const real *h_0, *c_0; /* [batch][width] */
  real *carry;           /* [batch][width] */
  real *tile;
} shared_back;

/* A step: `count` rows from `row` on. */
typedef struct {
  int64_t row, count;
} step;

/* All panels of the step `at`; `before` is the step before it in the order of forward. d_after are the gates' gradients of
   the step after it, whose first `count_after` sequences it has in common; the others start from dL/dh_n. */
static void backward_step(const layer *p, const shared_back *s, step at, step before, const real *d_after,
                          int64_t count_after, real *d_gates, real *h_before) {
  const int64_t width = width_of(p->hidden), K = gates_of(p->cell) * width, d_row = gates_row(p);
  const int64_t row = at.row, count = at.count;
  real *tile = s->tile;
  const int64_t both = min_of(count, count_after);
  for (int64_t u = 0; u < width; u += TILE_ROW) {
    const int64_t wide = wide_of(u, p->hidden);
    for (int64_t b = 0; b < count; b += TILE_ROWS) {
      const int64_t rows = min_of(TILE_ROWS, count - b), follow = both > b ? min_of(rows, both - b) : 0;
      for (int64_t m = follow; m < rows; m++)
        memcpy(tile + m * TILE_ROW, s->last + (b + m) * width + u, (size_t)wide * sizeof(real));
      product(follow, (int)(wide / LANES), tile, (factors){d_after + b * d_row, d_row, 1, s->w_h + u * K, wide, zeros, 0}, K);
      const panel_back panel = {
          .rows = rows, .follow = before.count - b, .units = p->hidden - u, .width = width, .vectors = (int)(wide / LANES),
          .tile = tile,
          .grad_h = p->grad_h ? p->grad_h + (row + b) * p->h_row + u : NULL, .h_row = p->h_row,
          .kept = kept_panel(p, row, count, b, u), .kept_next = kept_of(p->cell, count),
          .kept_before = before.count ? kept_panel(p, before.row, before.count, b, u) : NULL,
          .kept_before_next = kept_of(p->cell, before.count),
          .h_0 = s->h_0 + b * width + u, .c_0 = s->c_0 + b * width + u,
          .h_before = h_before + b * before_row(width) + u, .carry = s->carry + b * width + u,
          .d_gates = d_gates + b * d_row + u, .d_row = d_row, .hidden = p->hidden,
          .total_h = p->total_h ? p->total_h + (row + b) * p->hidden + u : NULL,
          .total_c = p->total_c ? p->total_c + (row + b) * p->hidden + u : NULL};
      if (p->cell == LSTM) lstm_panel_back(&panel);
      else if (p->cell == GRU) gru_panel_back(&panel);
      else rnn_panel_back(&panel, p->cell == RNN_RELU);
    }
  }
}

static void backward_layer(const layer *p) {
  const int64_t width = width_of(p->hidden), gates = gates_of(p->cell), K = gates * width;
  const int64_t columns = columns_of(p->cell) * width, d_row = gates_row(p), of_x = first_of_x(p->cell) * width;
  const int64_t chunk = CHUNK_ROWS > p->batch ? CHUNK_ROWS : p->batch;
  const int *order_h = order_of_h(p->cell);
  real *w_h = p->scratch, *w_x = w_h + K * width, *sums_x = w_x + K * width_of(p->inputs), *sums_h = sums_x + p->inputs * K;
  real *sums_b = sums_h + p->hidden * K, *last = sums_b + columns, *carry = last + p->batch * width;
  real *h_0 = carry + p->batch * width, *c_0 = h_0 + p->batch * width, *h_before = c_0 + p->batch * width;
  real *d_kept = h_before + chunk * before_row(width), *d_gates = d_kept + p->batch * d_row, *tile = d_gates + chunk * d_row;
  const shared_back shared = {w_h, last, h_0, c_0, carry, tile};
  pack_by_column(p, p->w_hh, order_h, p->hidden, w_h);
  if (p->grad_x) pack_by_column(p, p->w_ih, in_order, p->inputs, w_x);
  memset(sums_x, 0, (size_t)((p->inputs + p->hidden) * K + columns) * sizeof(real));
  widen(p->grad_h_n, p->batch, p->hidden, last);
  widen(p->cell == LSTM ? p->grad_c_n : NULL, p->batch, p->hidden, carry);
  widen(p->h_0, p->batch, p->hidden, h_0);
  widen(p->c_0, p->batch, p->hidden, c_0);
  int64_t row = p->reverse ? 0 : p->rows, count_after = 0, s = 0;
  const real *d_after = d_gates;
  while (s < p->steps) {
    /* A chunk: as many steps as fit, whose rows lie side by side from `first` on. */
    int64_t rows = 0, stop = s;
    for (; stop < p->steps; stop++) {
      const int64_t count = p->batch_sizes[p->reverse ? stop : p->steps - 1 - stop];
      if (rows && rows + count > chunk) break;
      rows += count;
    }
    const int64_t first = p->reverse ? row : row - rows;
    for (; s < stop; s++) {
      const int64_t count = p->batch_sizes[p->reverse ? s : p->steps - 1 - s];
      const int64_t count_before = s + 1 == p->steps ? 0 : p->batch_sizes[p->reverse ? s + 1 : p->steps - 2 - s];
      if (!p->reverse) row -= count;
      if (count < count_after && p->grad_h_0) /* in reverse: these began in the step after */
        rows_product(d_after + count * d_row, d_row, K, w_h, NULL, count_after - count, p->hidden, 0,
                     p->grad_h_0 + count * p->hidden, p->hidden, tile);
      real *d_here = d_gates + (row - first) * d_row;
      const step at = {row, count}, before = {p->reverse ? row + count : row - count_before, count_before};
      backward_step(p, &shared, at, before, d_after, count_after, d_here, h_before + (row - first) * before_row(width));
      d_after = d_here, count_after = count;
      if (p->reverse) row += count;
    }
    weight_sums(p->x + first * p->x_row, p->x_row, p->inputs, d_gates + of_x, d_row, K, rows, CHUNK_ROWS, sums_x, tile);
    weight_sums(h_before, before_row(width), p->hidden, d_gates, d_row, K, rows, CHUNK_ROWS, sums_h, tile);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t n = 0; n < columns; n += LANES) store(sums_b + n, load(sums_b + n) + load(d_gates + r * d_row + n));
    if (p->grad_x)
      rows_product(d_gates + of_x, d_row, K, w_x, NULL, rows, p->inputs, (int)p->add_to_grad_x, p->grad_x + first * p->x_row,
                   p->x_row, tile);
    /* The next chunk writes over these. */
    memcpy(d_kept, d_after, (size_t)(count_after * d_row) * sizeof(real));
    d_after = d_kept;
  }
  if (p->grad_h_0) {
    rows_product(d_after, d_row, K, w_h, NULL, count_after, p->hidden, 0, p->grad_h_0, p->hidden, tile);
    for (int64_t b = 0; p->cell == GRU && b < p->batch; b++)
      for (int64_t u = 0; u < p->hidden; u++) p->grad_h_0[b * p->hidden + u] += carry[b * width + u];
  }
  if (p->grad_c_0) narrow(carry, 0, p->batch, p->hidden, p->grad_c_0);
  unpack_sums(p, sums_x, in_order, p->inputs, p->grad_w_ih);
  unpack_sums(p, sums_h, order_h, p->hidden, p->grad_w_hh);
  if (p->grad_b_ih) {
    unpack_sums(p, sums_b + of_x, in_order, 1, p->grad_b_ih);
    unpack_sums(p, sums_b, order_h, 1, p->grad_b_hh);
  }
}
