"""A sweep as it is written by hand, for `tests.bench.sweep` to compare with: Optuna, torch.nn, wandb in the loop.

It knows nothing of this project but its data and its search space. One worker: `python -m tests.bench.plain_sweep ...`.
"""

import json
import sys
from pathlib import Path

import optuna
import torch
import wandb
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_sequence

import rnnkit
from experiments import memory
from rnnkit.core import determinism
from rnnkit.datasets import digits


ROUND = 100  # batches after which a memory task is evaluated, as the experiment does


class Net(nn.Module):
    """Recurrent layers, and a linear layer on their last states."""

    def __init__(self, library, features: int, outputs: int, settings: dict):
        super().__init__()
        both = settings.get("bidirectional", False)
        self.encoder = getattr(library, settings["cell"].upper())(
            features,
            settings["hidden_size"],
            settings["depth"],
            bidirectional=both,
            dropout=settings.get("dropout", 0.0),
        )
        self.directions = 2 if both else 1
        self.head = nn.Linear(settings["hidden_size"] * self.directions, outputs)

    def forward(self, sequences: list) -> torch.Tensor:
        """The outputs for sequences of (steps, features)."""
        _, last = self.encoder(pack_sequence(sequences, enforce_sorted=False))
        last = last[0] if isinstance(last, tuple) else last
        return self.head(torch.cat([last[-1 - i] for i in range(self.directions)], 1))


def digit_batches(seed: int) -> tuple:
    """Batches to train with, those to validate and test with, features, outputs, loss."""
    data = digits.load("ink", 0)
    generator = torch.Generator().manual_seed(seed)

    def batch(part, chosen):
        return [part.inputs[i] for i in chosen], torch.stack([part.targets[i] for i in chosen])

    def train(epoch):
        return [batch(data.train, chosen) for chosen in torch.randperm(len(data.train), generator=generator).split(32)]

    held = [[batch(part, c) for c in torch.arange(len(part)).split(256)] for part in (data.valid, data.test)]
    return train, *held, data.features, digits.CLASSES, cross_entropy


def memory_batches(name: str, seed: int) -> tuple:
    """The same for a memory task, fresh examples at every step."""
    task = memory.task_of(memory.Config(task=name))
    generator = torch.Generator().manual_seed(seed)

    def made(count):
        examples = task.make(count, generator)
        return list(examples.inputs), torch.stack(list(examples.targets))

    valid, test = ([made(250) for _ in range(count // 250)] for count in (memory.VALIDATION, memory.TEST))
    return (
        lambda epoch: (made(32) for _ in range(ROUND)),
        valid,
        test,
        task.features,
        task.scores,
        memory.cost_by(task, "torch"),
    )


def train(settings: dict, seed: int, options: dict) -> float:
    """Train one net, log each step to wandb, and return its loss on the validation part."""
    torch.manual_seed(seed)
    made = digit_batches(seed) if options["task"] == "digits" else memory_batches(options["task"], seed)
    steps = 34 if options["task"] == "digits" else ROUND
    batches, valid, test, features, outputs, loss = made
    library = rnnkit if options["layers"] == "rnnkit" else nn
    model = Net(library, features, outputs, settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=settings["learning_rate"], total_steps=options["epochs"] * steps
    )

    def mean(part) -> float:
        model.eval()
        with torch.no_grad():
            found = sum(loss(model(inputs), targets).item() * len(inputs) for inputs, targets in part)
        model.train()
        return found / sum(len(inputs) for inputs, _ in part)

    if options["wandb"]:
        wandb.init(project="plain", mode="offline", config=settings, dir=options["folder"], reinit="finish_previous")
    for epoch in range(options["epochs"]):
        for inputs, targets in batches(epoch):
            optimizer.zero_grad()
            value = loss(model(inputs), targets)
            value.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), settings["clip"])
            optimizer.step()
            schedule.step()
            if options["wandb"]:
                wandb.log({"loss": value.item(), "norm": norm.item(), "rate": schedule.get_last_lr()[0]})
        found = mean(valid)
        if options["wandb"]:
            wandb.log({"valid": found})
    if options["wandb"]:
        wandb.log({"test": mean(test)})
        wandb.finish()
    return found


def main() -> None:
    """Take configurations from the study until none is left."""
    options = json.loads(Path(sys.argv[1]).read_text())
    determinism.settle_numerics()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as our runs do: else numbers too small for full precision would be all that shows
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(options["journal"]))
    study = optuna.load_study(storage=storage, study_name="plain")
    while study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)):
        trial = study.ask()
        settings = trial.user_attrs.get("settings")
        if settings is None:  # another was faster
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        study.tell(trial, train(settings, trial.number, options))


if __name__ == "__main__":
    main()
