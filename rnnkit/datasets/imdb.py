"""IMDb film reviews: 25,000 to train and 25,000 to test with, half positive and half negative.

Origin: A. Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011 (Large Movie Review Dataset v1.0).
No licence is stated; the reviews belong to their authors: for research, cite the paper, do not pass it on.

The order of the reviews matters for who splits them by a seed, and is that of the official archive: negative before
positive; within each, identifiers in ascending blocks of 128, each block descending.
"""

import functools
import re
from pathlib import Path

from rnnkit.datasets import store
from rnnkit.datasets.formats.labelled_text import LabelledTexts, Part


ORIGIN = store.Origin(
    name="imdb",
    addresses=("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
    wanted=r"(?:^|/)((?:train|test)/(?:neg|pos)/\d+_\d+\.txt)$",
    sha256="e387e12957f58c094950ca49ae5135e14445e014426337764a554f8f142e5d10",
)
LABELS = ("neg", "pos")
VALIDATION = 5_000


@functools.cache
def load(data_dir: Path | None = None) -> LabelledTexts:
    """The reviews: 20,000 to train, 5,000 to validate, 25,000 to test.

    The training part is split as in Raschka, Liu & Mirjalili, Machine Learning with PyTorch and Scikit-Learn (2022),
    chapter 15: the first 20,000 and the last 5,000 of a permutation from torch's generator with seed 1.
    """
    import torch

    files = store.contents(ORIGIN, data_dir)
    train, test = (_in_order(files, part) for part in ("train", "test"))
    order = torch.randperm(len(train.texts), generator=torch.Generator().manual_seed(1), device="cpu").tolist()
    parts = train.subset(order[:-VALIDATION]), train.subset(order[-VALIDATION:]), test
    return LabelledTexts(*parts, ORIGIN.sha256, LABELS)


def _in_order(files: dict[str, bytes], part: str) -> Part:
    """The reviews of a part in the order of the official archive."""
    texts, targets = [], []
    for label, folder in enumerate(LABELS):
        pattern = re.compile(rf"{part}/{folder}/(\d+)_\d+\.txt")
        numbers = {int(match[1]): name for name in files if (match := pattern.fullmatch(name))}
        for number in sorted(numbers, key=lambda n: (n // 128, -n)):
            texts.append(files[numbers[number]].decode("utf-8"))
            targets.append(label)
    return Part(texts, targets)
