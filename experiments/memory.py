"""Does this cell, with this initialisation, remember T steps? Four tasks that cannot be done without memory.

    python -m experiments.memory --init chrono                            # the sum of two marked numbers among 200
    python -m experiments.memory                                          # the same from torch's initial weights
    python -m experiments.memory --task copying --length 100              # ten symbols, to say again after 100 steps
    python -m experiments.memory --task temporal-order --cell gru         # X or Y, then X or Y: in which order?
    python -m experiments.memory --task reber                             # the next symbol of embedded Reber strings
    python -m experiments.memory --cut-recurrence                         # the control: a net that carries no state

The tasks are generated, see rnnkit/datasets/memory_tasks.py and reber.py. Training takes fresh examples at every step,
from a random stream of `--seed`; validation and test examples come from two streams of `--data-seed`, the same for
all seeds of the net. The loss is the mean squared error of the sum (adding), or the cross-entropy in nats for each
step (copying), sequence (temporal order) or symbol (reber). Beside it stands by calculation what nets reach that
remember nothing, and what the best possible net does. In the end the question is answered in words.
"""

import sys
from dataclasses import dataclass
from typing import ClassVar, Literal

import rnnkit
from rnnkit import commands
from rnnkit.config import BaseConfig
from rnnkit.errors import UserError


# The usual T of a task, and the least one.
LENGTHS = {"adding": (200, 4), "copying": (100, 1), "temporal-order": (100, 10), "reber": (12, 12)}
VALIDATION, TEST = 1_000, 2_000  # examples to validate with after each round, and to test with at the end


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "memory"

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    """Recurrent cell."""
    hidden_size: int = 64
    """Units in each layer."""
    depth: int = 1
    """Recurrent layers, one on top of the other."""
    bidirectional: bool = False
    """Must stay off: a net that reads backwards need not remember."""
    learning_rate: float = 0.004
    """The optimizer's learning rate, at its peak where there is a schedule."""
    schedule: Literal["one-cycle", "cosine", "constant"] = "constant"
    """How the learning rate goes: up and down again, down along a cosine, or nowhere."""
    epochs: int = 40
    """Rounds of `--round` batches."""
    task: Literal["adding", "copying", "temporal-order", "reber"] = "adding"
    """What has to be remembered."""
    length: int = 0
    """T: steps (adding, temporal order), steps of waiting (copying), mean symbols of a string (reber); 0 for the task's
    usual ones: 200, 100, 100 and 12."""
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
        self._require("round", self.round >= 1, "at least 1")
        self._require("data_seed", self.data_seed >= 0, "0 or more")
        if self.bidirectional:
            raise UserError("--bidirectional: a net that reads backwards need not remember; leave it out")


# Bai, Kolter & Koltun, An Empirical Evaluation of Generic Convolutional and Recurrent Networks, 2018, table 1.
PUBLISHED = {
    ("adding", 600): {"lstm": 0.164, "gru": 5.3e-5, "rnn": 0.177},
    ("copying", 1_000): {"lstm": 0.0204, "gru": 0.0197, "rnn": 0.0202},
}


def run(config: Config, report=None) -> "rnnkit.records.Result":
    """Train one net and test it. `report(evaluation, validation loss)` may raise `rnnkit.training.Pruned`."""
    from torch.nn.functional import cross_entropy, mse_loss
    from torch.nn.utils.rnn import PackedSequence

    from rnnkit import diagnostics, models, seeding, sequences, training

    device = training.prepare(config)
    task = task_of(config)
    valid, test = (
        task.make(count, seeding.generator(config.data_seed, f"{config.task} to {use} with"))
        for use, count in (("validate", VALIDATION), ("test", TEST))
    )
    for part in (valid, test):
        sequences.check(part, classes=None if config.task == "adding" else task.scores)

    with rnnkit.tracking.start(config, data={config.task: checksum(valid, test)}) as run:
        longest = max(len(sequence) for sequence in valid.inputs)
        make_model = models.tagger if task.every_step else models.classifier
        model = make_model(config, task.features, task.scores, longest)
        if config.cut_recurrence:
            model.encoder = models.CutRecurrence(model.encoder)
        model.to(device)
        monitored = sequences.collate(valid.subset(range(32))).to(device)

        def batches(epoch):
            generator = seeding.generator(config.seed, f"{config.task} to train with", epoch)
            for _ in range(config.round):
                yield sequences.collate(task.make(config.batch_size, generator))

        def loss(model, batch, state):
            answers = model(batch.inputs)
            if config.task == "adding":
                return mse_loss(answers.squeeze(1), batch.targets), None
            rows = answers.data if isinstance(answers, PackedSequence) else answers
            return cross_entropy(rows, batch.targets), None

        def evaluated(part, split):
            found = scores(config, task, answers(model, part, device), part)
            return {f"metric/{name}/{split}": value for name, value in found.items()}

        def evaluate():
            row = evaluated(valid, "valid")
            statistics = diagnostics.hidden_statistics(model, lambda: model(monitored.inputs))
            return row | {f"hidden/{name}": value for name, value in statistics.items()}

        training.fit(
            model,
            config,
            run,
            batches=batches,
            steps_per_epoch=config.round,
            loss=loss,
            evaluate=evaluate,
            watch="metric/loss/valid",
            lower_is_better=True,
            report=report,
        )
        references = [{"what": w, "metric": "loss", "value": v} for w, v in beside(config, task).items()]
        run.finish(model, evaluate() | evaluated(test, "test"), references=references)
    return run.result


def task_of(config: Config) -> "rnnkit.datasets.memory_tasks.Task":
    """The task that `config` names, of the length that it names."""
    from rnnkit.datasets import memory_tasks, reber

    kinds = {
        "adding": memory_tasks.adding,
        "copying": memory_tasks.copying,
        "temporal-order": memory_tasks.temporal_order,
        "reber": reber.embedded,
    }
    return kinds[config.task](config.length)


def checksum(*parts) -> str:
    """SHA-256 of all inputs and targets."""
    import hashlib

    digest = hashlib.sha256()
    for part in parts:
        for tensor in [*part.inputs, *part.targets]:
            digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def answers(model, examples, device) -> list:
    """What the model gives for each example: of shape (scores,), or (steps, scores) where it answers at every step."""
    from torch.nn.utils.rnn import PackedSequence, unpack_sequence

    from rnnkit import diagnostics, sequences

    found = []
    with diagnostics.evaluating(model):
        for batch in sequences.batches(examples, 250):
            given = model(batch.inputs.to(device)).cpu()
            found += unpack_sequence(given) if isinstance(given, PackedSequence) else given
    return found


def scores(config: Config, task, given: list, examples) -> dict[str, float]:
    """The loss over all sequences or steps, and how often the answer that takes memory is right.

    That answer is one of the ten symbols (copying), the class (temporal order), or which of T and P comes before
    the last symbol (reber). `excess` is how far the loss is above what the best possible net has on these examples.
    """
    import torch
    from torch.nn.functional import cross_entropy, mse_loss

    from rnnkit.datasets import memory_tasks, reber

    join = torch.cat if task.every_step else torch.stack
    rows, targets = join(given).double(), join(list(examples.targets))
    if config.task == "adding":
        return {"loss": mse_loss(rows.squeeze(1), targets.double()).item()}
    loss = cross_entropy(rows, targets).item()
    if config.task == "temporal-order":
        return {"loss": loss, "accuracy": (rows.argmax(1) == targets).double().mean().item()}
    if config.task == "copying":
        copies = [symbols[-memory_tasks.COPIED :].argmax(1) for symbols in given]
        originals = [symbols[-memory_tasks.COPIED :] for symbols in examples.targets]
        return {"loss": loss, "accuracy": (torch.cat(copies) == torch.cat(originals)).double().mean().item()}
    t, p = (reber.SYMBOLS.index(symbol) for symbol in "TP")
    right = [
        (symbols[-2, t] > symbols[-2, p]) == (its[-2] == t)
        for symbols, its in zip(given, examples.targets, strict=True)
    ]
    return {
        "loss": loss,
        "excess": loss - task.best_on(examples),
        "accuracy": torch.stack(right).double().mean().item(),
    }


def beside(config: Config, task) -> dict[str, float]:
    """Losses to see ours beside, by calculation, and published ones where there are any for this length."""
    nothing = {
        "adding": "without memory (1 for every sum)",
        "copying": "without memory of the symbols",
        "temporal-order": "without memory",
        "reber": "without memory of the second symbol",
    }
    found = {nothing[config.task]: task.without_memory}
    if task.own_input != task.without_memory:
        found["knowing the own input of each step alone"] = task.own_input
    found["best possible"] = task.best
    for cell, value in PUBLISHED.get((config.task, config.length), {}).items():
        found[f"published: {cell.upper()} of Bai et al. 2018"] = value
    return found


def verdict(config: Config, metrics: dict[str, float]) -> tuple[bool, str]:
    """Whether the net remembers, by its test scores, and the sentence that says so."""
    task = task_of(config)
    loss, accuracy = metrics["metric/loss/test"], metrics.get("metric/accuracy/test", 0.0)
    gap = metrics.get("metric/excess/test", loss)
    if config.task == "adding":
        remembers, why = loss < 0.01, f"loss {loss:.4f}, asked for: below 0.01"
    elif config.task == "copying":
        limit = task.without_memory / 10
        remembers, why = loss < limit, f"loss {loss:.5f}, asked for: below {limit:.5f}, a tenth of that without memory"
    elif config.task == "temporal-order":
        remembers, why = accuracy > 0.99, f"accuracy {accuracy:.4f}, asked for: above 0.99"
    else:
        remembers = gap < 0.01 * task.best and accuracy > 0.99
        why = f"loss {gap / task.best:.1%} above the entropy of the grammar, the symbol before the last right in "
        why += f"{accuracy:.1%} of strings, asked for: below 1 % and above 99 %"
    what = "without recurrence" if config.cut_recurrence else f"with {config.init} initialisation"
    said = "remembers" if remembers else "does not remember"
    return remembers, f"the {config.cell} {what} {said} {config.length} steps: {why}; gap to the best {gap:+.5f}"


def main() -> None:
    """Run with the settings of the command line, and say what came out."""
    config = commands.parse(Config, "python -m experiments.memory", sys.argv[1:], __doc__)
    result = run(config)
    rnnkit.printing.print_result(result)
    if result.status == "finished":
        print(f"  {verdict(config, result.metrics)[1]}")
    if result.status == "diverged":
        sys.exit(1)


if __name__ == "__main__":
    commands.main(main)
