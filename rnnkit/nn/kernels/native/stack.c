/* A stack of recurrent layers, in one or both directions, over packed rows: what rnnkit calls. Compiled once for each type
   of numbers and each kind of processor (BITS, WIDTH, SUFFIX). */
#include "backward.h"

/* As `layer`, for all layers and directions. Where a layer has numbers of its own, those of its directions lie side by
   side: [layers][directions] before all other sizes, or, in rows, [directions hidden]. */
typedef struct {
  int64_t cell, layers, directions, steps, batch, rows, inputs, hidden, keep, kept_rows, pieces;
  const int64_t *batch_sizes;
  const real *x, *h_0, *c_0;
  const real *const *weights;  /* w_ih, w_hh, b_ih, b_hh of each */
  const real *factors;         /* [layers - 1][rows][directions hidden]: of dropout between layers, or NULL */
  real *lower;                 /* [layers - 1][2, or 1 without dropout][rows][directions hidden]: states, and what is left */
  real *h;                     /* [rows][directions hidden]: of the top layer */
  real *h_n, *c_n;
  real *const *kept;           /* [layers][directions][pieces] */
  real *cells, *scratch;
  const real *grad_h, *grad_h_n, *grad_c_n;
  real *grad_x, *grad_h_0, *grad_c_0;
  real *const *grad_weights;
  real *total_h, *total_c;
} stack;

static int64_t states_of(const stack *s) { return s->rows * s->directions * s->hidden; }
/* The same, to the next multiple of a cache line. */
static int64_t room_for_states(const stack *s) { return (states_of(s) + 15) / 16 * 16; }
static int64_t inputs_of(const stack *s, int64_t l) { return l ? s->directions * s->hidden : s->inputs; }

/* Scratch, which one layer after the other uses: weights as products read them, states, a tile; ... */
static int64_t most_inputs(const stack *s) { return s->layers > 1 && inputs_of(s, 1) > s->inputs ? inputs_of(s, 1) : s->inputs; }
static int64_t forward_scratch(const stack *s) {
  const int64_t width = width_of(s->hidden);
  return gates_of(s->cell) * width * (most_inputs(s) + s->hidden) + columns_of(s->cell) * width + 3 * s->batch * width
       + TILE_ROWS * TILE_ROW;
}

/* ... backward also sums for the weights, a chunk of d_gates and of h_{t-1}, and two gradients of states between layers. */
static int64_t backward_scratch(const stack *s) {
  const int64_t width = width_of(s->hidden), most = most_inputs(s), columns = columns_of(s->cell) * width;
  const int64_t chunk = CHUNK_ROWS > s->batch ? CHUNK_ROWS : s->batch;
  return gates_of(s->cell) * width * (width + width_of(most) + most + s->hidden) + columns
       + (columns + ROW_PADDING) * (s->batch + chunk) + before_row(width) * chunk + 4 * s->batch * width
       + TILE_ROWS * TILE_ROW + (s->layers > 1 ? 2 * room_for_states(s) : 0);
}

/* Layer l in direction d, all but the gradients. */
static layer layer_of(const stack *s, int64_t l, int64_t d) {
  const int64_t i = l * s->directions + d, state = i * s->batch * s->hidden, states = states_of(s);
  const int64_t each = s->factors ? 2 : 1; /* blocks of `lower` a layer has */
  const real *const *w = s->weights + 4 * i;
  return (layer){
      .cell = s->cell, .steps = s->steps, .batch = s->batch, .rows = s->rows, .inputs = inputs_of(s, l), .hidden = s->hidden,
      .reverse = d, .keep = s->keep, .batch_sizes = s->batch_sizes,
      .x = l ? s->lower + (l * each - 1) * states : s->x, .x_row = inputs_of(s, l),
      .h_0 = s->h_0 ? s->h_0 + state : NULL, .c_0 = s->c_0 ? s->c_0 + state : NULL,
      .w_ih = w[0], .w_hh = w[1], .b_ih = w[2], .b_hh = w[3],
      .h = (l + 1 < s->layers ? s->lower + l * each * states : s->h) + d * s->hidden, .h_row = s->directions * s->hidden,
      .h_n = s->h_n ? s->h_n + state : NULL, .c_n = s->c_n ? s->c_n + state : NULL,
      .kept = s->kept ? s->kept + i * s->pieces : NULL, .kept_rows = s->kept_rows,
      .cells = s->cells ? s->cells + i * s->rows * s->hidden : NULL, .scratch = s->scratch};
}

/* Numbers that `scratch` must have room for, and each row of `kept`. */
int64_t NAME(rnnkit_forward_scratch)(const stack *s) { return forward_scratch(s); }
int64_t NAME(rnnkit_backward_scratch)(const stack *s) { return backward_scratch(s); }
int64_t NAME(rnnkit_kept)(const stack *s) { return kept_vectors(s->cell) * width_of(s->hidden); }

void NAME(rnnkit_forward)(const stack *s) {
  for (int64_t l = 0; l < s->layers; l++) {
    for (int64_t d = 0; d < s->directions; d++) {
      const layer p = layer_of(s, l, d);
      forward_layer(&p);
    }
    if (s->factors && l + 1 < s->layers) {
      const real *states = s->lower + 2 * l * states_of(s), *factor = s->factors + l * states_of(s);
      real *left = (real *)states + states_of(s);
      for (int64_t i = 0; i < states_of(s); i++) left[i] = states[i] * factor[i];
    }
  }
}

void NAME(rnnkit_backward)(const stack *s) {
  real *between[2] = {s->scratch, s->scratch + room_for_states(s)};
  const real *grad_h = s->grad_h;
  for (int64_t l = s->layers - 1; l >= 0; l--) {
    real *grad_x = l ? between[l % 2] : s->grad_x;
    for (int64_t d = 0; d < s->directions; d++) {
      const int64_t i = l * s->directions + d, state = i * s->batch * s->hidden, states = i * s->rows * s->hidden;
      real *const *grads = s->grad_weights + 4 * i;
      layer p = layer_of(s, l, d);
      p.scratch += s->layers > 1 ? 2 * room_for_states(s) : 0;
      p.grad_h = grad_h ? grad_h + d * s->hidden : NULL;
      p.grad_h_n = s->grad_h_n ? s->grad_h_n + state : NULL;
      p.grad_c_n = s->grad_c_n ? s->grad_c_n + state : NULL;
      p.grad_x = grad_x, p.add_to_grad_x = d > 0;
      p.grad_h_0 = s->grad_h_0 ? s->grad_h_0 + state : NULL;
      p.grad_c_0 = s->grad_c_0 ? s->grad_c_0 + state : NULL;
      p.grad_w_ih = grads[0], p.grad_w_hh = grads[1], p.grad_b_ih = grads[2], p.grad_b_hh = grads[3];
      p.total_h = s->total_h ? s->total_h + states : NULL;
      p.total_c = s->total_c ? s->total_c + states : NULL;
      backward_layer(&p);
    }
    if (l && s->factors) {
      const real *factor = s->factors + (l - 1) * states_of(s);
      for (int64_t i = 0; i < states_of(s); i++) grad_x[i] *= factor[i];
    }
    grad_h = grad_x;
  }
}
