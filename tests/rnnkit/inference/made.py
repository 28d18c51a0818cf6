"""Models with random weights, and sequences for them."""

from dataclasses import asdict

import numpy as np
import torch

from experiments import digits
from rnnkit.inference import Model, architecture, of_parts
from rnnkit.nn import Members, models
from rnnkit.sequences import Preprocessing


CLASSES = ("a", "b", "c", "d")
SCALED = {"channels": ("x", "y", "z"), "means": (1.0, 0.0, -2.0), "deviations": (2.0, 1.0, 0.5)}
WORDS = ("<pad>", "<unk>", "the", "cat", "sat", "Mat")
LETTERS = ("<pad>", "<unk>", *"acehtms")


def model(net: torch.nn.Module, reads: str, answers: str, **told) -> Model:
    """A net in use, by way of the plain values that a run keeps."""
    known = Preprocessing(reads, answers, **{"classes": CLASSES} | told)
    return of_parts(net.state_dict(), {"net": architecture.of(net), "preprocessing": asdict(known), "settings": {}})


def config(**values) -> digits.Config:
    return digits.Config(**{"hidden_size": 7, "depth": 1} | values)


def classifier(members: int = 1, pool: str = "last", head_size: int = 0, seed: int = 0, **values) -> Model:
    """Of series with three channels, into four classes."""
    nets = [
        models.classifier(config(seed=one, **values), 3, 4, 9, pool=pool, head_size=head_size)
        for one in range(seed, seed + members)
    ]
    return model(nets[0] if members == 1 else Members(nets), "series", "label", members=members, **SCALED)


def of_words(members: int = 1, **values) -> Model:
    """Of texts, into four classes, for which runs of up to three words count by themselves too."""
    nets = [models.classifier(config(seed=n, **values), 6, 4, 20, vocabulary=6, grams=3) for n in range(members)]
    for net in nets:
        torch.nn.init.normal_(net.grams.weights.weight, generator=torch.Generator().manual_seed(0))
    return model(nets[0] if members == 1 else Members(nets), "words", "label", members=members, vocabulary=WORDS)


def tagger(**values) -> Model:
    """Of sentences, whose words are read letter by letter too."""
    letters = models.Letters(len(LETTERS), 4, 5, [torch.tensor([1])])
    net = models.tagger(config(cell="lstm", **values), 6, 4, 20, vocabulary=len(WORDS), letters=letters)
    return model(net, "tokens", "tags", vocabulary=WORDS, letters=LETTERS, lower=True)


def language_model(**values) -> Model:
    """Of words, each text after a line end."""
    words = ("<eos>", "<unk>", "the", "cat")
    net = models.language_model(config(bidirectional=False, **values), 4, 6, 9)
    return model(net, "tokens", "next", vocabulary=words, classes=words, start="<eos>")


def series(lengths, seed: int = 0, channels: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(length, channels)) for length in lengths]


def same(one, other) -> bool:
    """Whether two lists of arrays are the same, bit for bit."""
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)
