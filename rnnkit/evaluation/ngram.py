"""Language models without a network: counts of the symbols before. The cheap baselines of `char_lm` and `word_lm`."""

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from rnnkit.core import UserError


if TYPE_CHECKING:
    import numpy as np


def bits_per_character(train: str, test: str, symbols: int, order: int = 6) -> float:
    """What a model of `order` symbols (each given the `order` - 1 before it) needs for each character of `test`.

    The first character is left out, as with the networks, which have seen nothing before it.

    Interpolated by Witten & Bell (The zero-frequency problem, 1991): with N(h) the times that context h was seen and
    T(h) how many different symbols came after it,

        p(c | h) = (N(hc) + T(h) p(c | h without its first symbol)) / (N(h) + T(h)),

    down to equal shares for all `symbols` that there are; a context that was never seen changes nothing. Raises
    `UserError` for a `test` of fewer than 2 characters.
    """
    if len(test) < 2:
        raise UserError("no text to measure on: `test` needs 2 characters or more")
    counts: list[defaultdict[str, Counter[str]]] = [defaultdict(Counter) for _ in range(order)]
    for length, following in enumerate(counts):
        for i in range(length, len(train)):
            following[train[i - length : i]][train[i]] += 1
    totals = [{context: (after.total(), len(after)) for context, after in following.items()} for following in counts]
    bits = 0.0
    for i, symbol in enumerate(test[1:], start=1):
        p = 1 / symbols
        for length in range(min(order, i + 1)):
            context = test[i - length : i]
            if context not in totals[length]:
                break
            times, kinds = totals[length][context]
            p = (counts[length][context][symbol] + kinds * p) / (times + kinds)
        bits -= math.log2(p)
    return bits / (len(test) - 1)


def kneser_ney(train: "np.ndarray", test: "np.ndarray", symbols: int, order: int = 5) -> "np.ndarray":
    """What a model of `order` symbols needs for each symbol of `test` after its first, in nats, of shape (length - 1,).

    Both texts are numbers in 0..`symbols` - 1, of shape (length,). Interpolated by Kneser & Ney (Improved backing-off
    for m-gram language modeling, 1995; as in Chen & Goodman, An Empirical Study of Smoothing Techniques, 1999):

        p(w | h) = max(c(hw) - d, 0) / c(h) + d kinds(h) / c(h) p(w | h without its first symbol),

    down to equal shares for all symbols. c(h) is the sum of c(hw) over w, kinds(h) how many w it has with c(hw) > 0.
    With `order` symbols c(hw) is how often hw was seen, with fewer how many different symbols it was seen after. d is
    n1 / (n1 + 2 n2), where n1 and n2 count the hw with c(hw) = 1 and 2; it is 1/2 where none has 1.
    """
    import numpy as np

    text, border = np.concatenate([train, test]), len(train)
    # grams[k][i] numbers the k symbols that end at place i, the same for the same symbols; -1 where a text is shorter.
    grams = [np.zeros(len(text), dtype=np.int64)]
    for length in range(1, order + 1):
        before = np.concatenate([[0 if length == 1 else -1], grams[-1][:-1]])
        before[border] = before[0]
        whole = before >= 0
        here = np.full(len(text), -1)
        here[whole] = np.unique(before[whole] * symbols + text[whole], return_inverse=True)[1]
        grams.append(here)

    places = np.arange(border + 1, len(text))
    shares = np.full(len(places), 1 / symbols)
    for length in range(1, min(order, border) + 1):
        here, kinds = grams[length], grams[length].max() + 1
        if length == order:
            counts = np.bincount(here[length - 1 : border], minlength=kinds)
        else:  # one place for each different gram with a symbol more
            _, first = np.unique(grams[length + 1][length:border], return_index=True)
            counts = np.bincount(here[length:border][first], minlength=kinds)
        ones, twos = (counts == 1).sum(), (counts == 2).sum()
        discount = ones / (ones + 2 * twos) if ones else 0.5

        contexts = grams[length - 1]
        seen, first = np.unique(here[length - 1 : border], return_index=True)
        context_of = contexts[length - 2 : border][first] if length > 1 else np.zeros(len(seen), dtype=np.int64)
        total = np.bincount(context_of, weights=counts[seen], minlength=contexts.max() + 1)
        follow = np.bincount(context_of, weights=counts[seen] > 0, minlength=contexts.max() + 1)

        asked = places[here[places] >= 0]
        context = contexts[asked - 1]
        used = total[context] > 0
        asked, context = asked[used], context[used]
        shorter = shares[asked - border - 1]  # p of the context without its first symbol
        above = np.maximum(counts[here[asked]] - discount, 0) + discount * follow[context] * shorter
        shares[asked - border - 1] = above / total[context]
    return -np.log(shares)
