"""Does this cell, with this initialisation, remember T steps? Four tasks that cannot be done without memory.

    python -m experiments.memory --init chrono                            # the sum of two marked numbers among 200
    python -m experiments.memory                                          # the same from torch's initial weights
    python -m experiments.memory --task copying --length 100              # ten symbols, to say again after 100 steps
    python -m experiments.memory --task temporal-order --cell gru         # X or Y, then X or Y: in which order?
    python -m experiments.memory --task reber                             # the next symbol of embedded Reber strings
    python -m experiments.memory --cut-recurrence                         # the control: a net that carries no state

The tasks are generated, see memory_tasks.py and reber.py in rnnkit/datasets/generated. T is the number of steps
(adding; temporal order, up to a tenth more), the steps to wait (copying), or the mean number of symbols of a string
(reber). Training takes fresh examples at every step, from a random stream of `--seed`; validation and test examples
come from two streams of `--data-seed`, the same for all seeds of the net. The loss is the mean squared error of the sum
(adding), or the cross-entropy in nats for each step (copying), sequence (temporal order) or symbol (reber). Beside it
stands by calculation what nets reach that remember nothing, and what the best possible net does. In the end the
question is answered in words.
"""

import dataclasses
import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from rnnkit.core import BaseConfig, UserError, cells, cli, defaults, seeding
from rnnkit.datasets import Parts
from rnnkit.runs import Reference, ReferenceKind, Result, Status, read_rows
from rnnkit.training import Final, Objective, Space, Task, experiment, studied, tuned


if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor, nn

    from rnnkit.datasets.generated.memory_tasks import Task as MemoryTask
    from rnnkit.sequences import Examples, Preprocessing


# The usual T of a task, and the least one.
LENGTHS = {"adding": (200, 4), "copying": (100, 1), "temporal-order": (100, 10), "reber": (12, 12)}
VALIDATION, TEST = 1_000, 2_000  # examples to validate with after each round, and to test with at the end


@dataclass(frozen=True, kw_only=True)
@defaults(cell="lstm", depth=1, learning_rate=0.004, schedule="constant")
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "memory"

    hidden_size: int = 64
    """Units in each layer."""
    bidirectional: bool = False
    """Must stay off: a net that reads backwards need not remember."""
    epochs: int = 40
    """Rounds of `--round` batches."""
    task: Literal["adding", "copying", "temporal-order", "reber"] = "adding"
    """What has to be remembered."""
    length: int = 0
    """T, as the task counts it; 0 for its usual one: adding 200, copying 100, temporal-order 100, reber 12."""
    round: int = 100
    """Batches of fresh examples in a round."""
    cut_recurrence: bool = False
    """Carry no state from step to step: the control, which cannot do better than a net without memory."""
    data_seed: int = 0
    """Seed of the examples to validate and to test with."""

    def __post_init__(self):
        super().__post_init__()
        usual, least = LENGTHS[self.task]
        if self.length == 0:  # the run is the same as with the number written out, and so is its name
            object.__setattr__(self, "length", usual)
        self._require("length", self.length >= least, f"at least {least} for --task {self.task}")
        self._require("length", self.length <= 100_000, "at most 100,000")
        self._require_counts("round")
        self._require("data_seed", self.data_seed >= 0, "0 or more")
        if self.bidirectional:
            raise UserError("--bidirectional: a net that reads backwards need not remember; leave it out")


# By what a net without memory knows nothing of.
NOTHING = {
    "adding": "without memory (1 for every sum)",
    "copying": "without memory of the symbols",
    "temporal-order": "without memory",
    "reber": "without memory of the second symbol",
}

# Bai, Kolter & Koltun, An Empirical Evaluation of Generic Convolutional and Recurrent Networks, 2018, table 1.
PUBLISHED = {
    ("adding", 600): {"lstm": 0.164, "gru": 5.3e-5, "rnn": 0.177},
    ("copying", 1_000): {"lstm": 0.0204, "gru": 0.0197, "rnn": 0.0202},
}

OBJECTIVE = Objective("metric/loss/valid")

START = {"cell": "lstm", "learning_rate": 4e-3, "clip": 1.0}
SPACE = Space((32, 64, 128), (1, 2), studied((16, 128), 2, cells.gated(), both=False), tuned((1e-3, 1e-2)), START)


def setup(config: Config, device: "torch.device") -> "Task[Parts[Examples]]":
    """The net, its batches and its loss, from the settings; the test examples are kept for the end."""
    from rnnkit import sequences
    from rnnkit.nn import models
    from rnnkit.training import tasks

    task = task_of(config)
    valid, test = held_out(config, task)
    for part in (valid, test):
        sequences.check(part, classes=None if config.task == "adding" else task.scores)
    longest = max(len(sequence) for sequence in valid.inputs)
    make_model = models.tagger if task.every_step else models.classifier
    model = make_model(config, task.features, task.scores, longest)
    if config.cut_recurrence:
        model.add_module("encoder", models.CutRecurrence(model.encoder))

    def batches(epoch):
        generator = seeding.generator(config.seed, f"{config.task} to train with", epoch)
        for _ in range(config.round):
            yield sequences.collate(task.make(config.batch_size, generator))

    def measure(model, examples, split):
        return measured(task, answers(model, examples), examples, split), None

    tensors = (tensor for part in (valid, test) for tensor in (*part.inputs, *part.targets))
    sha256 = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()
    data = Parts(sequences.Examples([], []), valid, test, sha256)  # no examples come twice in training
    made = tasks.on_examples(
        config, OBJECTIVE, model.to(device), data, config.task, measure, cost_by(task, config.bits)
    )
    return dataclasses.replace(made, batches=batches, steps_per_epoch=config.round)


def conclude(config: Config, task: "Task[Parts[Examples]]") -> Final:
    """Test the best weights, beside what nets without memory and the best possible net reach."""
    memory_task, test = task_of(config), task.data.test
    metrics = measured(memory_task, answers(task.model, test), test, "test")
    kept = preprocessing(config, memory_task)
    return Final(task.evaluate() | metrics, references=beside(config, memory_task, test), preprocessing=kept)


# What the numbers of a step are, and what is answered: a symbol's place among them is 1, all others 0.
NAMES = {
    "adding": (("number", "mark"), ()),
    "copying": ((*"01234567", "blank", "go"), (*"01234567", "blank")),
    "temporal-order": (tuple("EBabcdXY"), ("XX", "XY", "YX", "YY")),
    "reber": (tuple("BTPSXVE"), tuple("BTPSXVE")),
}


def preprocessing(config: Config, task: "MemoryTask") -> "Preprocessing":
    """How a sequence of numbers becomes what the net reads: as it is."""
    from rnnkit.sequences import Preprocessing

    channels, classes = NAMES[config.task]
    means, deviations = (0.0,) * len(channels), (1.0,) * len(channels)
    answers = "tags" if task.every_step else "label" if classes else "number"
    return Preprocessing("series", answers, channels, means, deviations, classes=classes)


def task_of(config: Config) -> "MemoryTask":
    """The task that `config` names, of the length that it names."""
    from rnnkit.datasets.generated.memory_tasks import adding, copying, temporal_order
    from rnnkit.datasets.generated.reber import embedded

    kinds = {"adding": adding, "copying": copying, "temporal-order": temporal_order, "reber": embedded}
    return kinds[config.task](config.length)


def held_out(config: Config, task: "MemoryTask") -> "tuple[Examples, Examples]":
    """The examples to validate and to test with, from streams that training takes nothing from."""
    valid, test = (seeding.generator(config.data_seed, f"{config.task} to {use} with") for use in ("validate", "test"))
    return task.make(VALIDATION, valid), task.make(TEST, test)


def answers(model: "nn.Module", examples: "Examples") -> "list[Tensor]":
    """What the model gives for each example: of shape (scores,), or (steps, scores) where it answers at every step."""
    from torch.nn.utils.rnn import PackedSequence, unpack_sequence

    from rnnkit import sequences
    from rnnkit.training import tasks

    def of_examples(given, batch):
        return unpack_sequence(given.cpu()) if isinstance(given, PackedSequence) else given.cpu()

    return list(itertools.chain(*tasks.of_batches(model, sequences.batches(examples, 250), of_examples)))


def cost_by(task: "MemoryTask", bits: str) -> "Callable[..., Tensor]":
    """The squared error of numbers, where the task asks for one, or the cross-entropy of classes in nats."""
    from rnnkit.nn import portable

    losses = portable.losses(bits)
    if task.right is not None:
        return losses.cross_entropy
    return lambda rows, targets, reduction="mean": losses.mse_loss(rows.squeeze(1), targets, reduction=reduction)


def measured(task: "MemoryTask", given: "list[Tensor]", examples: "Examples", split: str) -> dict[str, float]:
    """The loss over all sequences or steps, how often the answers that take memory are right, and the excess.

    The excess is how far the loss is above the best possible net's on these examples, where that one is not 0.
    """
    import torch

    join = torch.cat if task.every_step else torch.stack
    targets = join(list(examples.targets))
    targets = targets.double() if targets.is_floating_point() else targets
    scores = {"loss": cost_by(task, "portable")(join(given).double(), targets).item()}
    if task.right is not None:
        scores["accuracy"] = task.right(given, examples).double().mean().item()
    if task.best_on is not None:
        scores["excess"] = scores["loss"] - task.best_on(examples)
    return {f"metric/{name}/{split}": value for name, value in scores.items()}


def beside(config: Config, task: "MemoryTask", examples: "Examples") -> list[Reference]:
    """Losses to see ours beside, by calculation, and published ones where there are any for this length.

    They are what such nets have on just these examples, as ours was measured there. Where that is not the same on all
    examples, the expected value stands beside it.
    """
    baseline, limit = ReferenceKind.BASELINE, ReferenceKind.LIMIT
    calculated = [(NOTHING[config.task], task.without_memory, task.without_memory_on, baseline)]
    if task.own_input != task.without_memory:
        calculated.append(("knowing at each step its input alone", task.own_input, task.own_input_on, baseline))
    calculated.append(("best possible", task.best, task.best_on, limit))

    references = []
    for what, expected, on, kind in calculated:
        here = expected if on is None else on(examples)
        references.append(Reference(what, "loss", here, kind))
        if on is not None:
            references.append(Reference(f"{what}, expected", "loss", expected, kind))
        if task.best_on is not None and kind == baseline:
            references.append(Reference(what, "excess", here - task.best_on(examples)))
    for cell, value in PUBLISHED.get((config.task, config.length), {}).items():
        references.append(Reference(f"{cell.upper()} (Bai et al., 2018)", "loss", value, ReferenceKind.PUBLISHED))
    return references


def verdict(config: Config, task: "MemoryTask", metrics: dict[str, float], split: str = "test") -> tuple[bool, str]:
    """Whether a net with these scores remembers, and why it is said so."""
    loss, accuracy, excess = (metrics.get(f"metric/{name}/{split}", 0.0) for name in ("loss", "accuracy", "excess"))
    if config.task == "adding":
        return loss < 0.01, f"loss {loss:.5f}, asked for: below 0.01"
    if config.task == "copying":
        limit = task.without_memory / 10
        return loss < limit, f"loss {loss:.5f}, asked for: below {limit:.5f}, a tenth of that without memory"
    if config.task == "temporal-order":
        return accuracy > 0.99, f"accuracy {accuracy:.4f}, asked for: above 0.99"
    share = excess / task.best
    return share < 0.01 and accuracy > 0.99, (
        f"loss {share:.2%} above the entropy, the symbol before the last right in {accuracy:.2%} of strings, "
        "asked for: below 1 % and above 99 %"
    )


def answer(config: Config, result: Result) -> list[str]:
    """The answer to the experiment's question, in lines; none for a run that did not finish."""
    if result.status != Status.FINISHED:
        return []
    task = task_of(config)
    remembers, why = verdict(config, task, result.metrics)
    net = f"{config.cell} with {config.init} initialisation" + ", its recurrence cut," * config.cut_recurrence
    gap = result.metrics.get("metric/excess/test", result.metrics["metric/loss/test"])
    lines = [
        f"  the {net} {'remembers' if remembers else 'does not remember'} {config.length} steps: {why}",
        f"  gap to the best possible on the test examples: {gap:+.5f}",
    ]
    evaluated = (row for row in read_rows(result.folder) if "metric/loss/valid" in row)
    reached = next((row["step"] for row in evaluated if verdict(config, task, row, "valid")[0]), None)
    if reached is not None:
        lines.append(f"  reached on the validation examples after {reached} of {result.step} steps")
    return lines


run = experiment(Config, setup, conclude, remarks=answer)
main = run.main


if __name__ == "__main__":
    cli.main(main)
