"""Sentences that a small grammar makes: no download, and the perplexity that nothing can beat is known.

The first word says when, the noun after it how many; much later both decide the verb: "yesterday the old keys behind
the door near the lamp were falling". Who counts the last few words alone has forgotten by then. All words and the
grammar are our own.

>>> made = load(seed=0)
>>> " ".join(made.test[:14]), round(made.best_perplexity, 2)
('today the clock under the clock near the wheel near the ship is shining', 4.06)
"""

import functools
import hashlib
import math
import random
from collections.abc import Sequence
from typing import TypeVar

from rnnkit.datasets.formats.word_lines import Words, joined


LINES = 3_000, 250, 250  # to train, to validate, to test with
_WHEN = ("yesterday", "today")
_VERBS = {("yesterday", 0): "was", ("yesterday", 1): "were", ("today", 0): "is", ("today", 1): "are"}
_NOUNS = (
    ("key", "door", "lamp", "ship", "dog", "wheel", "stone", "letter", "tree", "clock"),
    ("keys", "doors", "lamps", "ships", "dogs", "wheels", "stones", "letters", "trees", "clocks"),
)
_ADJECTIVES = ("old", "green", "small", "heavy", "broken", "quiet")
_PLACES = ("behind", "near", "under", "beside")
_DOINGS = ("falling", "moving", "waiting", "shining", "turning", "vanishing")
WITH_ADJECTIVE, WITH_PLACE = 0.3, 0.5  # how likely a noun has an adjective, and a place after it

Choice = TypeVar("Choice")


@functools.cache
def load(seed: int = 0) -> Words:
    """Sentences by a seed, in three parts."""
    generator = random.Random(seed)
    lines, nats = zip(*(sentence(generator) for _ in range(sum(LINES))), strict=True)
    train, valid, test = LINES
    parts = joined(lines[:train]), joined(lines[train : train + valid]), joined(lines[-test:])
    digest = hashlib.sha256("\n".join(map(" ".join, lines)).encode()).hexdigest()
    return Words(*parts, digest, best_perplexity=math.exp(math.fsum(nats[-test:]) / len(parts[2])))


def sentence(generator: random.Random) -> tuple[list[str], float]:
    """A sentence and minus the natural logarithm of how likely the grammar makes it, its end included.

    No sentence can come about in two ways, so that the choices made are all there is to it.
    """
    words: list[str] = []
    nats = 0.0

    def choose(options: Sequence[Choice]) -> Choice:
        nonlocal nats
        nats += math.log(len(options))
        return generator.choice(options)

    def happens(share: float) -> bool:
        nonlocal nats
        yes = generator.random() < share
        nats -= math.log(share if yes else 1 - share)
        return yes

    def noun(number: int) -> None:
        words.append("the")
        if happens(WITH_ADJECTIVE):
            words.append(choose(_ADJECTIVES))
        words.append(choose(_NOUNS[number]))

    when, number = choose(_WHEN), choose((0, 1))
    words.append(when)
    noun(number)
    while happens(WITH_PLACE):
        words.append(choose(_PLACES))
        noun(choose((0, 1)))
    words += [_VERBS[when, number], choose(_DOINGS)]
    return words, nats
