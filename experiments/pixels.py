"""Images read one pixel at a time: what does a net still know after 784 steps?

    python -m experiments.pixels                                          # 2,000 of MNIST's images, on the CPU
    python -m experiments.pixels --order permuted --cell lstm --init chrono
    python -m experiments.pixels --train-size 0 --test-size 0 --valid-size 5000 --hidden-size 128 --epochs 50
                                                                          # all of them: for a GPU
    python -m experiments.pixels --data made --pixels-per-step 28         # scikit-learn's digits by rows, no download
    python -m experiments.pixels --data my_images                         # a folder with the same four files

Sequential: from the top left to the bottom right (Le, Jaitly & Hinton, A Simple Way to Initialize Recurrent Networks of
Rectified Linear Units, 2015). Permuted: all images with their pixels in the same random order, where what belongs
together lies far apart. The class is told from the last state. Beside it stand what a logistic regression makes of
the same images, which sees all pixels at once, and the published results: those go far apart.
"""

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from rnnkit.core import BaseConfig, UserError, cli, defaults, seeding
from rnnkit.datasets import Parts, mnist
from rnnkit.evaluation import compare
from rnnkit.runs import Reference, ReferenceKind
from rnnkit.training import Final, Objective, Space, Task, experiment, studied, tuned


if TYPE_CHECKING:
    import torch

    from rnnkit.sequences import Examples, Preprocessing


@dataclass(frozen=True, kw_only=True)
@defaults(depth=1)
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "pixels"
    needs: ClassVar = {**BaseConfig.needs, "permutation_seed": {"order": lambda order: order == "permuted"}}

    bidirectional: bool = False
    """Read each image from both ends."""
    data: str = "mnist"
    """The images: mnist, made (digits that come with scikit-learn), or a folder with four files like MNIST's."""
    order: Literal["sequential", "permuted"] = "sequential"
    """Pixels row by row from the top left, or in a random order, the same one for all images."""
    permutation_seed: int = 0
    """Seed of that order."""
    pixels_per_step: int = 1
    """Pixels that the net gets at each step: 1 as published, 28 for a row of MNIST's."""
    train_size: int = 2_000
    """Images to train with, at most; 0 for all."""
    valid_size: int = 500
    """Images held out of the training part to validate with, at most a fifth of it."""
    test_size: int = 1_000
    """Images to test with, at most; 0 for all."""

    def __post_init__(self):
        super().__post_init__()
        self._require_counts("pixels_per_step", "valid_size")
        self._require_counts("train_size", "test_size", least=0)
        self._require("permutation_seed", self.permutation_seed >= 0, "0 or more")
        if self.data not in ("mnist", "made") and not os.path.isdir(self.data):  # also where no path is so long
            raise UserError(f"--data must be mnist, made, or the path of a folder, not {self.data}")


# The lowest and the highest that were published for MNIST, trained on all images, one pixel a step.
PUBLISHED = {
    ("sequential", "lstm"): [("Bai et al. (2018)", 0.872), ("Cooijmans et al. (2017)", 0.989)],
    ("sequential", "gru"): [("Bai et al. (2018)", 0.962), ("Campos et al. (2018)", 0.968)],
    ("sequential", "rnn"): [("Bai et al. (2018)", 0.215), ("Le et al. (2015), identity and relu", 0.970)],
    ("permuted", "lstm"): [("Bai et al. (2018)", 0.857), ("Cooijmans et al. (2017)", 0.902)],
    ("permuted", "gru"): [("Bai et al. (2018)", 0.873)],
    ("permuted", "rnn"): [("Bai et al. (2018)", 0.253), ("Le et al. (2015), identity and relu", 0.820)],
}

OBJECTIVE = Objective("metric/accuracy/valid")

START = {"cell": "gru", "bidirectional": False, "learning_rate": 5e-3, "clip": 1.0}
SPACE = Space((32, 64, 128), (1, 2), studied((32, 256), 2), tuned((5e-4, 1e-2)), START)


@dataclass(frozen=True)
class Read(Parts["Examples"]):
    """The parts as sequences, and how an image becomes one."""

    preprocessing: "Preprocessing"


def setup(config: Config, device: "torch.device") -> "Task[Read]":
    """The net, its batches and its loss, from the settings."""
    from rnnkit import sequences
    from rnnkit.nn import models
    from rnnkit.training import tasks

    images = chosen(config.data, config.data_dir, config.train_size, config.valid_size, config.test_size)
    sha256 = load(config.data, config.data_dir).sha256
    data = Read(*read_in_order(images, config), sha256=sha256, preprocessing=preprocessing(images, config))
    for part in data:
        sequences.check(part, classes=mnist.CLASSES)
    steps, features = data.train.inputs[0].shape
    model = models.classifier(config, features, mnist.CLASSES, steps).to(device)
    return tasks.on_examples(config, OBJECTIVE, model, data, Path(config.data).stem, tasks.classified)


def conclude(config: Config, task: "Task[Read]") -> Final:
    """Test the best weights, beside the baseline and what was published."""
    from rnnkit.training import tasks

    metrics, right = tasks.classified(task.model, task.data.test, "test")
    alike = config.data == "mnist" and config.pixels_per_step == 1 and not config.bidirectional
    published = PUBLISHED.get((config.order, config.cell), []) if alike else []
    of = f"{config.order} {config.cell.upper()}, all 60,000 images"
    references = [Reference(f"{of}, {who}", "accuracy", value, ReferenceKind.PUBLISHED) for who, value in published]
    theirs = baseline(config.data, config.data_dir, config.train_size, config.valid_size, config.test_size)
    beside = compare("logistic regression on pixels", right, theirs)
    return Final(task.evaluate() | metrics, beside, references, preprocessing=task.data.preprocessing)


@functools.lru_cache(maxsize=2)  # the trials of a sweep share it
def load(data: str, data_dir: Path | None) -> mnist.Images:
    """The images of a name or a folder."""
    if data == "mnist":
        return mnist.load(data_dir)
    return mnist.made() if data == "made" else mnist.read(Path(data))


@functools.lru_cache(maxsize=2)
def chosen(data: str, data_dir: Path | None, train_size: int, valid_size: int, test_size: int) -> list[mnist.Part]:
    """Images to train, validate and test with: of a random order that is always the same, as many as asked for.

    Which ones are for validation does not depend on how many are for training. Raises `UserError` for too few.
    """
    import torch

    images = load(data, data_dir)
    some, rest = (
        torch.randperm(len(part.labels), generator=seeding.generator(0, f"{name} images"), device="cpu").numpy()
        for name, part in (("training", images.train), ("test", images.test))
    )
    held_out = min(valid_size, len(some) // 5)
    if not held_out:
        raise UserError(f"--data {data}: {len(some)} images to train and to validate with are too few: 5 or more")
    valid, train = some[:held_out], some[held_out:][: train_size or None]
    used = [images.train.subset(train), images.train.subset(valid), images.test.subset(rest[: test_size or None])]
    classes = np.unique(np.concatenate([part.labels for part in used[:2]]))
    if len(classes) == 1:
        raise UserError(
            f"--data {data}: all {len(train) + len(valid)} images to train and to validate with are of class "
            f"{classes[0]}: there is nothing to learn"
        )
    return used


def read_in_order(images: list[mnist.Part], config: Config) -> "list[Examples]":
    """The images of each part as sequences: of shape (steps, pixels a step), in the order that `config` says.

    Pixels are standardised by the mean and the deviation of all pixels of the training part, the first one.
    """
    import torch

    from rnnkit.sequences import Examples

    pixels = images[0].images[0].size
    if pixels % config.pixels_per_step:
        raise UserError(f"--pixels-per-step {config.pixels_per_step} does not divide the {pixels} pixels of an image")
    order = order_of(pixels, config)
    mean, deviation = images[0].images.mean(), images[0].images.std() or 1.0
    examples = []
    for part in images:
        flat = torch.from_numpy(part.images).view(len(part.labels), pixels)[:, order]
        steps = ((flat.float() - mean) / deviation).view(len(part.labels), -1, config.pixels_per_step)
        examples.append(Examples(list(steps), torch.from_numpy(part.labels).long()))
    return examples


def order_of(pixels: int, config: Config) -> "torch.Tensor":
    """The places of an image's pixels in the order in which they are read, of shape (pixels,)."""
    import torch

    if config.order == "permuted":
        return torch.randperm(pixels, generator=seeding.generator(config.permutation_seed, "pixels"), device="cpu")
    return torch.arange(pixels, device="cpu")


def preprocessing(images: list[mnist.Part], config: Config) -> "Preprocessing":
    """How an image becomes what the net reads, as `read_in_order` has it."""
    from rnnkit.sequences import Pixels, Preprocessing

    height, width = images[0].images[0].shape
    order = order_of(height * width, config).tolist() if config.order == "permuted" else ()
    mean, deviation = float(images[0].images.mean()), float(images[0].images.std() or 1.0)
    read = Pixels(height, width, config.pixels_per_step, tuple(order))
    names = tuple(map(str, range(mnist.CLASSES)))
    means, deviations = ((value,) * config.pixels_per_step for value in (mean, deviation))
    return Preprocessing("images", "label", means=means, deviations=deviations, classes=names, pixels=read)


@functools.lru_cache(maxsize=2)  # the trials of a sweep share it
def baseline(data: str, data_dir: Path | None, *sizes: int) -> np.ndarray:
    """Which test images a logistic regression on all pixels names rightly, of shape (examples,).

    It learns from the training and the validation part together, as it needs no validation.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    train, valid, test = chosen(data, data_dir, *sizes)
    pixels = [part.images.reshape(len(part.labels), -1) / 255 for part in (train, valid, test)]
    regression = LogisticRegression(C=0.1, max_iter=1_000)
    with threadpool_limits(1):  # as many as the trials of a sweep have
        regression.fit(np.concatenate(pixels[:2]), np.concatenate([train.labels, valid.labels]))
    return np.equal(regression.predict(pixels[2]), test.labels)


run = experiment(Config, setup, conclude)
main = run.main


if __name__ == "__main__":
    cli.main(main)
