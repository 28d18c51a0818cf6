/* What dropout multiplies numbers with, drawn as torch draws it on the CPU, from the same random words, so that a seed
   gives the same factors. torch asks its generator word by word; here a block of words is made at once, in loops that a
   compiler turns into vectors. Whole numbers alone decide, so that no variant changes a bit. */
#include "vector.h"

/* MT19937 (Matsumoto & Nishimura, Mersenne Twister, 1998): a word of the next block is made from two of this one that
   follow each other, and from one that stands AHEAD words further on. */
#define WORDS 624
#define AHEAD 397
#define BEHIND (WORDS - AHEAD) /* where that one lies in the next block, once AHEAD would lead out of this one */

/* The state of torch's generator as `get_state` gives it; what follows, for normal numbers, stays. */
typedef struct {
  uint64_t seed;
  int32_t left; /* one more than there are words from `next` on: 1 where a new block is to be made */
  int32_t seeded;
  uint64_t next;
  uint64_t words[WORDS]; /* 32 bits each */
} generator;

typedef struct {
  int64_t count;
  int64_t below; /* what is drawn, of 53 bits, keeps a number where it is below this: (1 - share) 2^53, rounded up */
  double keep;   /* 1 - share */
  generator *state;
  real *factors; /* [count] */
} dropout;

/* The upper bit of a word and the lower ones of the following, times the matrix of the recurrence. */
INLINE uint32_t twisted(uint32_t word, uint32_t following) {
  const uint32_t y = (word & 0x80000000u) | (following & 0x7fffffffu);
  return (y >> 1) ^ (-(following & 1) & 0x9908b0dfu);
}

/* The next block, in place. What a word reads of the new ones lies a vector and more behind it. */
static void twist(uint32_t *w) {
  for (int i = 0; i < BEHIND; i++) w[i] = w[i + AHEAD] ^ twisted(w[i], w[i + 1]);
  for (int i = BEHIND; i < WORDS - 1; i++) w[i] = w[i - BEHIND] ^ twisted(w[i], w[i + 1]);
  w[WORDS - 1] = w[AHEAD - 1] ^ twisted(w[WORDS - 1], w[0]);
}

/* The words as they are given out. */
static void temper(const uint32_t *restrict w, int64_t count, uint32_t *restrict out) {
  for (int64_t i = 0; i < count; i++) {
    uint32_t y = w[i];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    out[i] = y ^ y >> 18;
  }
}

/* A number has 53 bits, of two words, the first one above. u = number / 2^53 < 1 - share, in whole numbers. */
static void choose(const uint32_t *restrict words, int64_t count, uint64_t below, real kept, real *restrict factors) {
  for (int64_t i = 0; i < count; i++) {
    const uint64_t number = (uint64_t)(words[2 * i] & 0x1fffffu) << 32 | words[2 * i + 1];
    factors[i] = number < below ? kept : 0;
  }
}

/* factor = 1 / (1 - share) with a chance of 1 - share, else 0. Gives 0, and draws nothing, for a state that is none. */
int64_t NAME(rnnkit_dropout)(const dropout *p) {
  generator *g = p->state;
  if (g->left < 1 || g->left > WORDS || g->next > WORDS || g->next + (uint64_t)g->left - 1 > WORDS) return 0;
  int64_t left = g->left - 1, next = (int64_t)g->next, odd = 0; /* `odd` words wait for the second of their pair */
  uint32_t block[WORDS], words[WORDS + 1];
  for (int i = 0; i < WORDS; i++) block[i] = (uint32_t)g->words[i];
  for (int64_t done = 0; done < p->count;) {
    if (!left) twist(block), left = WORDS, next = 0;
    const int64_t wanted = 2 * (p->count - done) - odd, taken = wanted < left ? wanted : left;
    temper(block + next, taken, words + odd);
    next += taken, left -= taken;
    const int64_t pairs = (odd + taken) / 2;
    choose(words, pairs, (uint64_t)p->below, 1 / (real)p->keep, p->factors + done);
    done += pairs, odd = (odd + taken) % 2;
    if (odd) words[0] = words[2 * pairs];
  }
  for (int i = 0; i < WORDS; i++) g->words[i] = block[i];
  g->left = (int32_t)left + 1, g->next = (uint64_t)next;
  return 1;
}
