"""Film reviews that a small grammar makes: no download, and a net that reads the order of words can be right.

Each says of one to four aspects that they are good or bad, some with a negation ("not a dull plot"), some as a mere
aside about another film. The last judgement on the film itself is its label. All words and the grammar are our own.

>>> made = load(seed=0)
>>> len(made.train.texts), len(made.valid.texts), len(made.test.texts), made.labels
(600, 200, 200, ('neg', 'pos'))
"""

import hashlib
import random

from rnnkit.datasets.formats.labelled_text import LabelledTexts, Part, split


LABELS = ("neg", "pos")
_GOOD = ("lovely", "gripping", "clever", "moving", "bright", "funny")
_BAD = ("dull", "clumsy", "flat", "noisy", "empty", "tiresome")
_ASPECTS = ("plot", "cast", "music", "ending", "script", "camera work")


def load(seed: int = 0, count: int = 1_000) -> LabelledTexts:
    """`count` reviews by a seed, half of them positive, in stratified parts of 60, 20 and 20 %."""
    generator = random.Random(seed)
    targets = [i % 2 for i in range(count)]
    texts = [_review(generator, bool(target)) for target in targets]
    sha256 = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return split(Part(texts, targets), LABELS, sha256, seed=0)


def _review(generator: random.Random, positive: bool) -> str:
    """A review whose last judgement on the film is as `positive` says; those before it are anyhow."""
    sentences = []
    for last in [False] * generator.randrange(4) + [True]:
        good = positive if last else generator.random() < 0.5
        sentences.append(_judgement(generator, good, f"the {generator.choice(_ASPECTS)} here"))
        if generator.random() < 0.5:  # about another film, whatever it says
            sentences.append(_judgement(generator, generator.random() < 0.5, "that other film"))
    return " ".join(sentences)


def _judgement(generator: random.Random, good: bool, subject: str) -> str:
    negated = generator.random() < 0.4
    word = generator.choice(_GOOD if good != negated else _BAD)
    return f"{subject} was {'not ' if negated else ''}{word}.".capitalize()
