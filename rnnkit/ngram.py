"""A character model without a network: what counts of the symbols before give. The cheap baseline of `char_lm`."""

import math
from collections import Counter, defaultdict

from rnnkit.errors import UserError


def bits_per_character(train: str, test: str, order: int = 6) -> float:
    """What a model of `order` symbols (each given the `order` - 1 before it) needs for each character of `test`.

    Interpolated by Witten & Bell (The zero-frequency problem, 1991): with N(h) the times that context h was seen and
    T(h) how many different symbols came after it,

        p(c | h) = (N(hc) + T(h) p(c | h without its first symbol)) / (N(h) + T(h)),

    down to equal shares for all symbols of both texts; a context that was never seen changes nothing. Raises
    `UserError` for an empty `test`.
    """
    if not test:
        raise UserError("no text to measure on: `test` is empty")
    symbols = len(set(train) | set(test))
    counts = [defaultdict(Counter) for _ in range(order)]
    for length, following in enumerate(counts):
        for i in range(length, len(train)):
            following[train[i - length : i]][train[i]] += 1
    totals = [{context: (after.total(), len(after)) for context, after in following.items()} for following in counts]
    bits = 0.0
    for i, symbol in enumerate(test):
        p = 1 / symbols
        for length in range(min(order, i + 1)):
            context = test[i - length : i]
            if context not in totals[length]:
                break
            times, kinds = totals[length][context]
            p = (counts[length][context][symbol] + kinds * p) / (times + kinds)
        bits -= math.log2(p)
    return bits / len(test)
