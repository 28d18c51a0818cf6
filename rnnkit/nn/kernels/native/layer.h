/* What is asked of the kernel: one layer of a recurrent network in one direction, over packed rows.

   Rows lie as in torch's PackedSequence: the first step of all sequences, longest first, then the second of those that
   have one, and so on; batch_sizes[t] rows belong to step t. `width` is the hidden size, rounded up to whole vectors. */
#pragma once
#include "rows.h"

enum cell { RNN_TANH, RNN_RELU, GRU, LSTM };

typedef struct {
  /* sizes */
  int64_t cell, steps, batch, rows, inputs, hidden;
  int64_t reverse;            /* worked from the last step to the first */
  int64_t keep;               /* whether what backward needs is kept */
  const int64_t *batch_sizes; /* [steps] */
  /* what goes in; weights as torch has them, [gates hidden][inputs] and [gates hidden][hidden]; NULL for zeros */
  const real *x;              /* [rows][x_row] */
  int64_t x_row;
  const real *h_0, *c_0;      /* [batch][hidden] */
  const real *w_ih, *w_hh, *b_ih, *b_hh;
  /* what comes out */
  real *h;                    /* [rows][h_row] */
  int64_t h_row;
  real *h_n, *c_n;            /* [batch][hidden] */
  real *const *kept;          /* pieces of memory, see forward.h */
  int64_t kept_rows;          /* a piece holds the steps that begin in this many rows */
  real *cells;                /* [rows][hidden], c_t of an LSTM for who looks; or NULL */
  real *scratch;              /* of `scratch_size` numbers */
  /* backward: gradients of what came out, NULL for zeros, ... */
  const real *grad_h;         /* [rows][h_row] */
  const real *grad_h_n, *grad_c_n;
  /* ... and of what went in, NULL for those that nobody asks for */
  real *grad_x;               /* [rows][x_row] */
  int64_t add_to_grad_x;      /* the other direction has written there */
  real *grad_h_0, *grad_c_0;
  real *grad_w_ih, *grad_w_hh, *grad_b_ih, *grad_b_hh;
  real *total_h, *total_c;    /* [rows][hidden], dL/dh_t and dL/dc_t through time for who looks; or NULL */
} layer;

/* Gates: how many rows of weights a unit has, and columns of a tile.

   A GRU has a fourth column, since its new gate n = tanh(x part + r h part) keeps both parts apart. In tiles its columns
   are h part of n, r, z, x part of n: so the states' product fills columns 0 to 2, the input's 1 to 3, and backward
   likewise. In torch's weights they stand in the order r, z, n. */
INLINE int gates_of(int64_t cell) { return cell == LSTM ? 4 : cell == GRU ? 3 : 1; }
INLINE int columns_of(int64_t cell) { return cell >= GRU ? 4 : 1; }
INLINE int first_of_x(int64_t cell) { return cell == GRU; }
static const int in_order[4] = {0, 1, 2, 3}, n_first[3] = {2, 0, 1};
INLINE const int *order_of_h(int64_t cell) { return cell == GRU ? n_first : in_order; }
