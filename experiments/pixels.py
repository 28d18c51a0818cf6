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
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import rnnkit
from rnnkit.core import cli
from rnnkit.core.config import BaseConfig
from rnnkit.core.errors import UserError
from rnnkit.runs import printing, tracking


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "pixels"

    depth: int = 1
    """Recurrent layers, one on top of the other."""
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


def run(config: Config, report=None) -> "rnnkit.runs.result.Result":
    """Train one net and test it. `report(evaluation, validation accuracy)` may raise `rnnkit.training.Pruned`."""
    from torch.nn.functional import cross_entropy

    from rnnkit import sequences
    from rnnkit.datasets import mnist
    from rnnkit.diagnostics import probe
    from rnnkit.evaluation.comparison import compare
    from rnnkit.evaluation.metrics import classification
    from rnnkit.nn import models
    from rnnkit.runs.result import reference
    from rnnkit.training import loop

    device = loop.prepare(config)
    images = load(config.data, config.data_dir)
    sizes = (config.train_size, config.valid_size, config.test_size)
    train, valid, test = read_in_order(chosen(config.data, config.data_dir, *sizes), config)
    for part in (train, valid, test):
        sequences.check(part, classes=mnist.CLASSES)

    with tracking.start(config, data={Path(config.data).stem: images.sha256}) as run:
        steps, features = train.inputs[0].shape
        model = models.classifier(config, features, mnist.CLASSES, steps).to(device)
        cost = functools.partial(cross_entropy, reduction="none")
        monitored = probe.examples(model, valid, device, cost)

        def loss(model, batch, state):
            return cross_entropy(model(batch.inputs), batch.targets), None

        def evaluated(examples, split):
            outputs, targets = loop.scores(model, sequences.batches(examples, 256), device)
            predicted = outputs.argmax(1)
            found = {f"metric/{n}/{split}": v for n, v in classification(targets, predicted).items()}
            return {f"loss/{split}": cross_entropy(outputs, targets).item(), **found}, (predicted == targets).numpy()

        def evaluate():
            row, _ = evaluated(valid, "valid")
            return row

        loop.fit(
            model,
            config,
            run,
            batches=lambda epoch: sequences.shuffled_batches(train, config.batch_size, config.seed, epoch),
            steps_per_epoch=-(-len(train) // config.batch_size),
            loss=loss,
            evaluate=evaluate,
            watch="metric/accuracy/valid",
            probe=monitored,
            report=report,
        )

        final, right = evaluated(test, "test")
        theirs = baseline(config.data, config.data_dir, *sizes)
        references = []
        if config.data == "mnist" and config.pixels_per_step == 1 and not config.bidirectional:
            of = f"{config.order} {config.cell.upper()}, all 60,000 images"
            for who, value in PUBLISHED[config.order, config.cell]:
                references.append(reference(f"{of}, {who}", "accuracy", value, "published"))
        comparison = compare("logistic regression on pixels", right, theirs)
        run.finish(model, evaluate() | final, comparison=comparison.as_dict(), references=references)
    return run.result


@functools.lru_cache(maxsize=2)  # the trials of a sweep share it
def load(data: str, data_dir: Path | None) -> "rnnkit.datasets.mnist.Images":
    """The images of a name or a folder."""
    from rnnkit.datasets import mnist

    if data == "mnist":
        return mnist.load(data_dir)
    return mnist.made() if data == "made" else mnist.read(Path(data))


@functools.lru_cache(maxsize=2)
def chosen(data: str, data_dir: Path | None, train_size: int, valid_size: int, test_size: int) -> list:
    """Images to train, validate and test with: of a random order that is always the same, as many as asked for.

    Which ones are for validation does not depend on how many are for training. Raises `UserError` for too few.
    """
    import numpy as np
    import torch

    from rnnkit.core import seeding
    from rnnkit.datasets.mnist import Part

    images = load(data, data_dir)
    orders = [
        torch.randperm(len(part.labels), generator=seeding.generator(0, f"{name} images")).numpy()
        for name, part in (("training", images.train), ("test", images.test))
    ]
    held_out = min(valid_size, len(orders[0]) // 5)
    if not held_out:
        raise UserError(f"--data {data}: {len(orders[0])} images to train and to validate with are too few: 5 or more")
    train = orders[0][held_out:][: train_size or None]
    valid = orders[0][:held_out]
    classes = np.unique(images.train.labels[np.concatenate([train, valid])])
    if len(classes) == 1:
        raise UserError(
            f"--data {data}: all {len(train) + len(valid)} images to train and to validate with are of class "
            f"{classes[0]}: there is nothing to tell apart"
        )
    test = orders[1][: test_size or None]
    return [
        Part(part.images[places], part.labels[places])
        for part, places in ((images.train, train), (images.train, valid), (images.test, test))
    ]


def read_in_order(images: list, config: Config) -> list:
    """The images of each part as sequences: of shape (steps, pixels a step), in the order that `config` says.

    Pixels are standardised by the mean and the deviation of all pixels of the training part, the first one.
    """
    import torch

    from rnnkit.core import seeding
    from rnnkit.sequences import Examples

    pixels = images[0].images[0].size
    if pixels % config.pixels_per_step:
        raise UserError(f"--pixels-per-step {config.pixels_per_step} does not divide the {pixels} pixels of an image")
    order = torch.arange(pixels)
    if config.order == "permuted":
        order = torch.randperm(pixels, generator=seeding.generator(config.permutation_seed, "pixels"))
    mean, deviation = images[0].images.mean(), images[0].images.std() or 1.0
    examples = []
    for part in images:
        flat = torch.from_numpy(part.images).view(len(part.labels), pixels)[:, order]
        steps = ((flat.float() - mean) / deviation).view(len(part.labels), -1, config.pixels_per_step)
        examples.append(Examples(list(steps), torch.from_numpy(part.labels).long()))
    return examples


@functools.lru_cache(maxsize=2)  # the trials of a sweep share it
def baseline(data: str, data_dir: Path | None, *sizes: int):
    """Which test images a logistic regression on all pixels names rightly, of shape (examples,).

    It learns from the training and the validation part together, as it needs no validation.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    train, valid, test = chosen(data, data_dir, *sizes)
    pixels = [part.images.reshape(len(part.labels), -1) / 255 for part in (train, valid, test)]
    regression = LogisticRegression(C=0.1, max_iter=1_000)
    with threadpool_limits(1):  # as many as the trials of a sweep have
        regression.fit(np.concatenate(pixels[:2]), np.concatenate([train.labels, valid.labels]))
    return regression.predict(pixels[2]) == test.labels


def main() -> None:
    """Run with the settings of the command line, and say what came out."""
    config = cli.parse(Config, "python -m experiments.pixels", sys.argv[1:], __doc__)
    result = run(config)
    printing.print_result(result)
    if result.status == "diverged":
        sys.exit(1)


if __name__ == "__main__":
    cli.main(main)
