"""Music, step by step: which of 88 keys sound next, given all that sounded so far.

    python -m experiments.music                              # Bach's chorales
    python -m experiments.music --cell gru
    python -m experiments.music --data made --epochs 6       # generated chords, no download
    python -m experiments.music --data my_pieces.json        # {"train": [[[60, 64, 67], ...], ...], "valid": ...}

Two layers of 200 units read a piece as rows of 88 keys, 1 where a key sounds, and give each key's chance to sound one
step later. What is measured is the negative log-likelihood of all 88 keys, summed, in nats: its mean over all steps of
all pieces but each piece's first, which nothing comes before. That is how the published numbers were counted: S. Bai,
J. Z. Kolter, V. Koltun, An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling,
2018. "by piece" is the mean within each piece, then over pieces. Beside it stand each key's frequency, and each key's
frequency given whether it sounded in the step before.

The net starts from the frequencies: they are its scores' first biases. From biases of 0 it would first have to learn
that keys are mostly silent, and all its units go to their limits for that, where it takes long to come back from.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rnnkit.core import BaseConfig, UserError, cli, defaults
from rnnkit.datasets import Parts
from rnnkit.runs import Reference, ReferenceKind
from rnnkit.training import Final, Objective, Space, Task, experiment, studied, tuned


if TYPE_CHECKING:
    import torch

    from rnnkit.datasets.jsb_chorales import Music
    from rnnkit.nn import Tagger
    from rnnkit.sequences import Examples


@dataclass(frozen=True, kw_only=True)
@defaults(cell="lstm", learning_rate=0.005, epochs=20, patience=5)
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "music"

    hidden_size: int = 200
    """Units in each layer."""
    bidirectional: bool = False
    """Must stay off: a net that reads backwards has heard what comes next."""
    batch_size: int = 8
    """Pieces in a batch."""
    data: str = "jsb"
    """The music: jsb (Bach's chorales), made (chords by a few rules, no download), or the path of a .json file."""
    key_dropout: float = 0.2
    """Share of keys dropped from what the net reads in training."""
    head_dropout: float = 0.5
    """Share of the top layer's units dropped in training."""

    def __post_init__(self):
        super().__post_init__()
        for name in ("key_dropout", "head_dropout"):
            self._require(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        if self.bidirectional:
            raise UserError("--bidirectional: a net that reads backwards has heard what comes next; leave it out")
        if self.data not in ("jsb", "made") and not Path(self.data).suffix:
            raise UserError(f"--data must be jsb, made, or the path of a .json file, not {self.data}")


# Bai, Kolter & Koltun (2018), table 1; the LSTM of 2 x 200, by their table 3.
PUBLISHED = {"lstm": 8.45, "gru": 8.43, "rnn": 8.91}

OBJECTIVE = Objective("metric/nats_per_step/valid")

START = {"cell": "lstm", "learning_rate": 5e-3, "clip": 1.0}
SPACE = Space((50, 100, 200), (1, 2), studied((50, 400), 2, both=False), tuned((1e-3, 2e-2)), START)


def setup(config: Config, device: "torch.device") -> "Task[Parts[Examples]]":
    """The net, its batches and its loss, from the settings."""
    from rnnkit import sequences
    from rnnkit.datasets import jsb_chorales
    from rnnkit.nn import models, portable
    from rnnkit.training import tasks

    music = load(config.data, config.data_dir)
    data = Parts(*map(jsb_chorales.next_steps, music), sha256=music.sha256)
    for part in data:
        sequences.check(part)
    longest, keys = max(map(len, data.train.inputs)), jsb_chorales.KEYS
    model = models.tagger(config, keys, keys, longest, head_dropout=config.head_dropout)
    start_from_frequencies(model, data.train)

    losses = portable.losses(config.bits)

    def cost(given, keys, reduction="mean"):
        if reduction == "mean":
            return losses.binary_cross_entropy_with_logits(given, keys, reduction="sum") / len(keys)
        return losses.binary_cross_entropy_with_logits(given, keys, reduction="none").sum(1)

    def heard(inputs):
        return sequences.map_packed(lambda rows: portable.dropout(rows, config.key_dropout), inputs)

    name = Path(config.data).stem
    return tasks.on_examples(config, OBJECTIVE, model.to(device), data, name, measured, cost, heard=heard)


def conclude(config: Config, task: "Task[Parts[Examples]]") -> Final:
    """Test the best weights, beside counts and what was published."""
    from rnnkit.datasets import jsb_chorales
    from rnnkit.sequences import Preprocessing

    metrics = task.evaluate() | measured(task.model, task.data.test, "test")[0]
    counts = baselines(config.data, config.data_dir)
    references = [Reference(what, "nats per step", value) for what, value in counts.items()]
    if config.data == "jsb" and config.cell in PUBLISHED:
        what, published = f"{config.cell.upper()} of 2 x 200 (Bai et al., 2018)", PUBLISHED[config.cell]
        references.append(Reference(what, "nats per step", published, ReferenceKind.PUBLISHED))
    names = tuple(f"key {jsb_chorales.LOWEST + number}" for number in range(jsb_chorales.KEYS))
    kept = Preprocessing("series", "keys", names, (0.0,) * len(names), (1.0,) * len(names), classes=names)
    return Final(metrics, references=references, preprocessing=kept)


@functools.lru_cache(maxsize=2)  # the trials of a sweep share it
def load(data: str, data_dir: Path | None) -> "Music":
    """The music of a name or a path."""
    from rnnkit.datasets import jsb_chorales
    from rnnkit.datasets.generated import made_chords

    if data == "jsb":
        return jsb_chorales.load(data_dir)
    return made_chords.load() if data == "made" else jsb_chorales.read(Path(data))


def frequencies(sounds: "torch.Tensor") -> "torch.Tensor":
    """Each key's chance to sound, of shape (keys,), from steps of shape (steps, keys).

    Half a step with the key and half a step without it are added to what was counted (Krichevsky & Trofimov, The
    Performance of Universal Encoding, 1981): no key is impossible, or certain.
    """
    return (sounds.sum(0) + 0.5) / (len(sounds) + 1)


def start_from_frequencies(model: "Tagger", train: "Examples") -> None:
    """Set the biases of the model's scores to the log-odds of each key in the training part."""
    import torch

    scores = [module for module in model.head.modules() if isinstance(module, torch.nn.Linear)][-1]
    chances = frequencies(train.joined_targets).double().tolist()
    scores.bias.detach().copy_(scores.bias.new_tensor([math.log(chance / (1 - chance)) for chance in chances]))


def measured(model: "torch.nn.Module", examples: "Examples", split: str) -> "tuple[dict[str, float], torch.Tensor]":
    """Scores of a part, and what all steps of each piece cost together, in nats, of shape (pieces,).

    The scores are the mean over all steps of all pieces; and over pieces, of the mean over each one's steps.
    """
    import torch

    from rnnkit import sequences
    from rnnkit.nn import portable
    from rnnkit.training import tasks

    def of_pieces(scores, batch):
        losses = portable.binary_cross_entropy_with_logits(scores.data.double(), batch.targets.double(), "none")
        costs = portable.linear(losses, losses.new_ones(1, losses.shape[1])).squeeze(1)
        return costs.new_zeros(len(batch.lengths)).index_add(0, sequences.owners(batch.inputs), costs).cpu()

    nats, steps = torch.cat(tasks.of_batches(model, sequences.batches(examples, 256), of_pieces)), examples.lengths
    scores = {
        f"metric/nats_per_step/{split}": portable.total(nats) / int(steps.sum()),
        f"metric/nats_per_step_by_piece/{split}": portable.total(nats / steps) / len(nats),
    }
    return scores, nats


@functools.lru_cache(maxsize=2)  # the trials of a sweep share them
def baselines(data: str, data_dir: Path | None) -> dict[str, float]:
    """What a step of the test part costs without a net, in nats: by counts of the training part alone."""
    import torch
    from torch.nn.functional import binary_cross_entropy

    from rnnkit.datasets import jsb_chorales

    music = load(data, data_dir)
    train, test = (jsb_chorales.next_steps(part) for part in (music.train, music.test))
    before, after = torch.cat(train.inputs).double(), train.joined_targets.double()
    last, expected = torch.cat(test.inputs).double(), test.joined_targets.double()

    def counted(sounded):  # a key's frequency after the steps in which it did sound, or did not
        return ((after * sounded).sum(0) + 0.5) / (sounded.sum(0) + 1)

    def nats(chances):
        return (binary_cross_entropy(chances, expected, reduction="sum") / len(expected)).item()

    by_last = torch.where(last > 0, counted(before), counted(1 - before))
    return {
        "each key's frequency": nats(frequencies(after).expand_as(expected)),
        "each key's frequency, by whether it sounded before": nats(by_last),
    }


run = experiment(Config, setup, conclude)
main = run.main


if __name__ == "__main__":
    cli.main(main)
