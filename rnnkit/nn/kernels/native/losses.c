/* Losses of rows of scores, and sums in an order that no width of a vector changes. */
#include "vector.h"

#define LINE (64 / (int)sizeof(real)) /* partial sums: as many on every machine */
#define LINE_VECTORS (LINE / LANES)

/* The sum of partial sums, pair by pair. */
INLINE real sum_of_line(real *line) {
  for (int half = LINE / 2; half; half /= 2)
    for (int i = 0; i < half; i++) line[i] += line[i + half];
  return line[0];
}

/* The target of a row that is left out: its loss and gradient are 0. */
#define LEFT_OUT -100

typedef struct {
  int64_t rows, classes;
  int64_t counted;        /* comes out: the rows that are not left out */
  const real *scores;     /* [rows][classes] */
  const int64_t *targets; /* [rows] */
  real *losses;           /* [rows] */
  real *chances;          /* [rows][classes], the softmax, which backward needs; or NULL */
  real *scratch;          /* of `cross_entropy_scratch` numbers */
  /* backward: dL/d losses, of each row or, with a step of 0, of all, and what it is multiplied with */
  const real *grad_losses;
  int64_t grad_step;
  double factor;
  real *grad_scores;
} cross_entropy;

int64_t NAME(rnnkit_cross_entropy_scratch)(const cross_entropy *p) { return (p->classes + LINE - 1) / LINE * LINE; }

/* A vector of a row's scores; beyond the last one stands what counts for nothing. */
INLINE vec scores_at(const cross_entropy *p, int64_t r, int64_t c) {
  const int64_t left = p->classes - c;
  if (left <= 0) return all(-INFINITY);
  const vec scores = load_part(p->scores + r * p->classes + c, left);
  return left >= LANES ? scores : select_(before(left), scores, all(-INFINITY));
}

/* loss = log(sum over c of exp(s_c)) - s_target, with the largest score taken from all, so that no exp is too large.
   Gives the first row whose target is no class, or -1. */
int64_t NAME(rnnkit_cross_entropy)(cross_entropy *p) {
  real *exps = p->scratch;
  p->counted = p->rows;
  for (int64_t r = 0; r < p->rows; r++) {
    const int64_t target = p->targets[r];
    if (target == LEFT_OUT) {
      p->losses[r] = 0, p->counted--;
      if (p->chances) memset(p->chances + r * p->classes, 0, (size_t)p->classes * sizeof(real));
      continue;
    }
    if (target < 0 || target >= p->classes) return r;
    vec most = scores_at(p, r, 0);
    for (int64_t c = LANES; c < p->classes; c += LANES) most = larger(most, scores_at(p, r, c));
    real line[LINE];
    store(line, most);
    for (int half = LANES / 2; half; half /= 2)
      for (int i = 0; i < half; i++) line[i] = line[i] > line[i + half] ? line[i] : line[i + half];
    const real largest = line[0];
    vec sums[LINE_VECTORS] = {0};
    for (int64_t c = 0; c < p->classes; c += LINE)
      for (int v = 0; v < LINE_VECTORS; v++) {
        const vec e = exp_below(scores_at(p, r, c + v * LANES) - all(largest));
        store(exps + c + v * LANES, e);
        sums[v] += e;
      }
    for (int v = 0; v < LINE_VECTORS; v++) store(line + v * LANES, sums[v]);
    const real sum = sum_of_line(line);
    p->losses[r] = log_of(sum) - (p->scores[r * p->classes + target] - largest);
    for (int64_t c = 0; p->chances && c < p->classes; c += LANES)
      store_part(p->chances + r * p->classes + c, load(exps + c) / all(sum), p->classes - c);
  }
  return -1;
}

/* dL/ds_c = (softmax_c - [c is the target]) dL/dloss */
void NAME(rnnkit_cross_entropy_backward)(const cross_entropy *p) {
  for (int64_t r = 0; r < p->rows; r++) {
    const real grad = p->grad_losses[r * p->grad_step] * (real)p->factor;
    const real *chances = p->chances + r * p->classes;
    real *to = p->grad_scores + r * p->classes;
    for (int64_t c = 0; c < p->classes; c++) to[c] = chances[c] * grad;
    if (p->targets[r] != LEFT_OUT) to[p->targets[r]] = (chances[p->targets[r]] - 1) * grad;
  }
}

typedef struct {
  int64_t count;
  const real *scores, *targets; /* [count] */
  real *losses;                 /* [count] */
  real *grad_scores;            /* [count], for a gradient of 1 of each loss; or NULL */
} binary_cross_entropy;

/* loss = max(s, 0) - s t + log(1 + exp(-|s|)); dL/ds = sigmoid(s) - t */
void NAME(rnnkit_binary_cross_entropy)(const binary_cross_entropy *p) {
  for (int64_t i = 0; i < p->count; i += LANES) {
    const int64_t left = p->count - i;
    const vec s = load_part(p->scores + i, left), t = load_part(p->targets + i, left);
    const vec far = larger(s, -s); /* |s| */
    const vec loss = larger(s, all(0)) - s * t + log1p_of(exp_below(-far));
    store_part(p->losses + i, (vec)select_(s != s, s, loss), left);
    if (p->grad_scores) store_part(p->grad_scores + i, sigmoid(s) - t, left);
  }
}

/* The sum of numbers, taken in double precision, in eight partial sums. */
double NAME(rnnkit_total)(const real *numbers, int64_t count) {
  double sums[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int j = 0; j < 8; j++) sums[j] += (double)numbers[i + j];
  for (int j = 0; i < count; i++, j++) sums[j] += (double)numbers[i];
  return sum_of_eight(sums);
}
