"""Handwritten digits as sequences: 1,797 images of 8 x 8 pixels, 10 classes. Comes with scikit-learn, no download.

Origin: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (UCI Machine Learning Repository, 1998,
CC BY 4.0), the test part, as shipped by scikit-learn (`sklearn.datasets.load_digits`).

The same image as three kinds of sequence:

- `ink`: its inked pixels in raster order, each as (row, column, intensity), standardised; 16 to 42 steps.
- `rows`: its 8 rows from the top, 8 intensities each; 8 steps.
- `pixels`: all its pixels in raster order, one intensity each; 64 steps.

>>> parts = load("ink", split_seed=0)
>>> len(parts.train), len(parts.valid), len(parts.test)
(1077, 360, 360)
"""

import gzip
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from rnnkit.core import extras
from rnnkit.datasets import Parts, splits
from rnnkit.sequences import Examples, Pixels, Preprocessing


View = Literal["ink", "rows", "pixels"]
CLASSES = 10


@dataclass(frozen=True)
class Digits(Parts[Examples]):
    """Three stratified parts (60, 20 and 20 %), and the images themselves for a baseline.

    `images[part]` is of shape (examples, 64), intensities 0..16, row by row as the part's examples.
    """

    images: dict[str, np.ndarray]
    preprocessing: Preprocessing

    @property
    def features(self) -> int:
        """Features a step."""
        return self.train.inputs[0].shape[1]


def load(view: View = "ink", split_seed: int = 0) -> Digits:
    """The digits as sequences of the given view, split by `split_seed`.

    Features are standardised with the mean and deviation of the training part's steps.
    """
    images, labels = published()
    train, valid, test = splits.in_three(labels, split_seed)

    sequences = [_sequence(image.reshape(8, 8), view) for image in images]
    steps = np.concatenate([sequences[i] for i in train])
    mean, deviation = steps.mean(0), steps.std(0)
    deviation[deviation == 0] = 1  # a border column of `rows` that no training image inks
    tensors = [torch.tensor((s - mean) / deviation, dtype=torch.float32, device="cpu") for s in sequences]

    everything = Examples(tensors, torch.tensor(labels, device="cpu"))
    return Digits(
        *(everything.subset([int(i) for i in chosen]) for chosen in (train, valid, test)),
        preprocessing=_preprocessing(view, mean, deviation),
        images={"train": images[train], "valid": images[valid], "test": images[test]},
        sha256=hashlib.sha256(images.astype("<f8").tobytes() + labels.astype("<i8").tobytes()).hexdigest(),
    )


def _preprocessing(view: View, mean: np.ndarray, deviation: np.ndarray) -> Preprocessing:
    """How an image becomes a sequence, and a score a digit."""
    means, deviations = tuple(mean.tolist()), tuple(deviation.tolist())
    pixels = Pixels(8, 8, a_step={"ink": 0, "rows": 8, "pixels": 1}[view])
    names = tuple(map(str, range(CLASSES)))
    return Preprocessing("images", "label", means=means, deviations=deviations, classes=names, pixels=pixels)


def published() -> tuple[np.ndarray, np.ndarray]:
    """The images, of shape (images, 64), and their labels: the file that comes with scikit-learn.

    It is read without scikit-learn, whose import takes longer than all else before a run's first step.
    """
    with extras.needed("experiments", "the data set digits"):
        package = importlib.util.find_spec("sklearn")
        if package is None or package.origin is None:
            raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
    with gzip.open(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        numbers = np.loadtxt(file, delimiter=",")
    return numbers[:, :-1], numbers[:, -1].astype(int)


def _sequence(image: np.ndarray, view: View) -> np.ndarray:
    """One image of shape (8, 8) as a sequence of shape (steps, features)."""
    if view == "rows":
        return image
    if view == "pixels":
        return image.reshape(64, 1)
    rows, columns = np.nonzero(image)  # in raster order
    return np.stack([rows, columns, image[rows, columns]], axis=1).astype(float)
