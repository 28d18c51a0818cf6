/* Runs the kernel by itself: `harness N SEED` on N stacks drawn at random, and a linear layer, losses, a step of an
   optimizer and factors of dropout beside each, each buffer just as large as it must be, and prints a line each: what
   was drawn, and a hash of all that came out. The numbers do not depend on the variant. */
#include <stdio.h>
#include <stdlib.h>

#include "dropout.c"
#include "linear.c"
#include "losses.c"
#include "parameters.c"
#include "stack.c"

static uint64_t state;
static uint32_t draw(void) { /* xorshift64* */
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return (uint32_t)(state * 2685821657736338717u >> 32);
}
static int64_t among(int64_t low, int64_t high) { return low + draw() % (high - low + 1); }

/* Blocks of memory that are freed together, and hashed where they hold results. */
static struct { real *block; int64_t count; } blocks[512];
static int used;
static real *room(int64_t count) {
  real *block = malloc((size_t)(count ? count : 1) * sizeof(real));
  blocks[used].block = block, blocks[used++].count = 0;
  return block;
}
static real *numbers(int64_t count, double scale) {
  real *block = room(count);
  for (int64_t i = 0; i < count; i++) block[i] = (real)(scale * ((double)draw() / 2147483648.0 - 1));
  return block;
}
static real *result(int64_t count) {
  real *block = room(count);
  blocks[used - 1].count = count;
  return block;
}
static uint64_t hash_and_free(void) {
  uint64_t hash = 1469598103934665603u; /* FNV-1a, over the numbers' bytes */
  for (int i = 0; i < used; i++) {
    const unsigned char *bytes = (const unsigned char *)blocks[i].block;
    for (size_t j = 0; j < (size_t)blocks[i].count * sizeof(real); j++) hash = (hash ^ bytes[j]) * 1099511628211u;
    free(blocks[i].block);
  }
  used = 0;
  return hash;
}

/* A linear layer, losses of its outputs, norms of its gradients, and a step along them. */
static void dense(int large) {
  const int64_t K = among(1, large ? 150 : 24), N = among(1, large ? 150 : 24), rows = among(1, large ? 600 : 20);
  real *weight = numbers(N * K, 0.3), *bias = draw() % 2 ? numbers(N, 1) : NULL;
  linear p = {.rows = rows, .inputs = K, .outputs = N, .x = numbers(rows * K, 1), .weight = weight, .bias = bias,
              .y = result(rows * N), .grad_x = draw() % 2 ? result(rows * K) : NULL, .grad_weight = result(N * K),
              .grad_bias = bias ? result(N) : NULL};
  int64_t *targets = malloc((size_t)rows * sizeof *targets);
  for (int64_t r = 0; r < rows; r++) targets[r] = draw() % 8 ? among(0, N - 1) : LEFT_OUT;
  real *gradient = result(rows * N), *slopes = result(rows * N), *truth = numbers(rows * N, 1);
  cross_entropy loss = {.rows = rows, .classes = N, .scores = p.y, .targets = targets, .losses = result(rows),
                        .chances = result(rows * N), .grad_step = draw() % 2, .factor = 0.5, .grad_scores = gradient};
  loss.grad_losses = numbers(rows, 1), loss.scratch = room(NAME(rnnkit_cross_entropy_scratch)(&loss));
  binary_cross_entropy binary = {rows * N, p.y, truth, result(rows * N), slopes};
  real *m = numbers(N * K, 0), *v = numbers(N * K, 0), *values[] = {weight}, *means[] = {m}, *squares[] = {v};
  const real *gradients[] = {p.grad_weight};
  const int64_t sizes[] = {N * K};
  p.scratch = room(NAME(rnnkit_linear_scratch)(&p));
  NAME(rnnkit_linear)(&p);
  NAME(rnnkit_cross_entropy)(&loss);
  NAME(rnnkit_cross_entropy_backward)(&loss);
  NAME(rnnkit_binary_cross_entropy)(&binary);
  p.grad_y = gradient, p.scratch = room(NAME(rnnkit_linear_backward_scratch)(&p));
  NAME(rnnkit_linear_backward)(&p);
  double *sums = (double *)result(2 * (int64_t)(sizeof(double) / sizeof(real)));
  sums[1] = NAME(rnnkit_total)(p.y, rows * N);
  NAME(rnnkit_norms)(&(norms){1, sizes, gradients, draw() % 2 ? (const real *const *)values : NULL, sums});
  const update step = {.optimizer = among(0, 2), .step = among(1, 1000), .count = 1, .sizes = sizes, .values = values,
                       .gradients = gradients, .means = means, .squares = squares, .scale = 0.7, .rate = 0.01, .beta1 = 0.9,
                       .beta2 = 0.999, .epsilon = 1e-8};
  NAME(rnnkit_update)(&step);
  memcpy(p.grad_weight, weight, (size_t)(N * K) * sizeof(real)); /* which are a result too */
  free(targets);
}

/* Factors of dropout, drawn in two parts from any place of a generator's block of words, and the state after them. */
static void drops(void) {
  generator *g = (generator *)result((int64_t)(sizeof(generator) / sizeof(real)));
  *g = (generator){.left = (int32_t)among(1, WORDS)};
  g->next = (uint64_t)(WORDS + 1 - g->left) % WORDS;
  for (int i = 0; i < WORDS; i++) g->words[i] = draw();
  for (int part = 0; part < 2; part++) {
    const double keep = (double)among(1, 99) / 100;
    const int64_t wanted = among(0, 1000);
    dropout p = {wanted, (int64_t)(keep * 9007199254740992.0), keep, g, result(wanted)};
    if (!NAME(rnnkit_dropout)(&p)) abort();
  }
}

int main(int count, char **words) {
  const long runs = count > 1 ? atol(words[1]) : 100;
  for (long run = 0; run < runs; run++) {
    state = (uint64_t)(count > 2 ? atol(words[2]) : 1) * 1000003 + (uint64_t)run + 1;
    for (int i = 0; i < 10; i++) draw();
    const int large = draw() % 8 == 0;
    stack s = {.cell = among(0, 3), .layers = among(1, 3), .directions = among(1, 2), .steps = among(1, large ? 40 : 12),
               .batch = among(1, large ? 200 : 20), .inputs = among(1, large ? 130 : 20), .hidden = among(1, large ? 140 : 40),
               .keep = 1};
    int64_t sizes[40];
    for (int64_t t = 0, left = s.batch; t < s.steps; t++) {
      sizes[t] = left, s.rows += left;
      if (draw() % 2) left = among(1, left);
    }
    s.batch_sizes = sizes;
    const int64_t each = s.layers * s.directions, wide = s.directions * s.hidden, states = s.rows * wide, gates = gates_of(s.cell);
    const int with_h_0 = draw() % 2, biased = draw() % 2, dropped = draw() % 2 && s.layers > 1, looked_at = draw() % 2;
    const int64_t finals = each * s.batch * s.hidden;
    s.x = numbers(s.rows * s.inputs, 1);
    s.h_0 = with_h_0 ? numbers(finals, 1) : NULL;
    s.c_0 = with_h_0 && s.cell == LSTM ? numbers(finals, 1) : NULL;
    s.factors = dropped ? numbers((s.layers - 1) * states, 1) : NULL;
    real *weights[24], *gradients[24];
    for (int64_t i = 0; i < each; i++) {
      const int64_t inputs = i < s.directions ? s.inputs : wide;
      const int64_t counts[] = {gates * s.hidden * inputs, gates * s.hidden * s.hidden, gates * s.hidden, gates * s.hidden};
      for (int w = 0; w < 4; w++) {
        const int there = w < 2 || biased;
        weights[4 * i + w] = there ? numbers(counts[w], 0.3) : NULL;
        gradients[4 * i + w] = there ? result(counts[w]) : NULL;
      }
    }
    s.weights = (const real *const *)weights, s.grad_weights = gradients;
    s.lower = room((s.layers - 1) * (dropped ? 2 : 1) * states);
    s.h = result(states), s.h_n = result(finals), s.c_n = s.cell == LSTM ? result(finals) : NULL;
    s.cells = looked_at && s.cell == LSTM ? result(each * s.rows * s.hidden) : NULL;
    s.grad_h = draw() % 4 ? numbers(states, 1) : NULL;
    s.grad_h_n = draw() % 2 || !s.grad_h ? numbers(finals, 1) : NULL;
    s.grad_c_n = draw() % 2 && s.cell == LSTM ? numbers(finals, 1) : NULL;
    s.grad_x = draw() % 2 ? result(s.rows * s.inputs) : NULL;
    s.grad_h_0 = with_h_0 ? result(finals) : NULL;
    s.grad_c_0 = s.c_0 ? result(finals) : NULL;
    s.total_h = looked_at ? result(each * s.rows * s.hidden) : NULL;
    s.total_c = looked_at && s.cell == LSTM ? result(each * s.rows * s.hidden) : NULL;
    /* These depend on the width of a vector, and are no results. */
    real *kept[6 * 40 * 200];
    s.kept = kept, s.kept_rows = among(1, s.rows), s.pieces = (s.rows + s.kept_rows - 1) / s.kept_rows;
    for (int64_t i = 0; i < each * s.pieces; i++) {
      const int64_t begun = i % s.pieces * s.kept_rows, most = s.kept_rows + s.batch, left = s.rows - begun;
      kept[i] = malloc((size_t)((left < most ? left : most) * NAME(rnnkit_kept)(&s)) * sizeof(real));
    }
    s.scratch = room(NAME(rnnkit_forward_scratch)(&s));
    NAME(rnnkit_forward)(&s);
    s.scratch = room(NAME(rnnkit_backward_scratch)(&s));
    NAME(rnnkit_backward)(&s);
    for (int64_t i = 0; i < each * s.pieces; i++) free(kept[i]);
    dense(large);
    drops();
    printf("cell %d layers %d directions %d steps %d batch %d inputs %d hidden %d: %016llx\n", (int)s.cell, (int)s.layers,
           (int)s.directions, (int)s.steps, (int)s.batch, (int)s.inputs, (int)s.hidden, (unsigned long long)hash_and_free());
  }
  return 0;
}
