"""An experiment: settings, what they make, and how it ends. The one place from where a training is started.

    OBJECTIVE = Objective("metric/accuracy/valid")

    def setup(config, device) -> Task: ...              # model, batches, loss, evaluation
    def conclude(config, task) -> Final: ...            # test scores, and what stands beside them

    run = experiment(Config, setup, conclude)           # run(config) -> Result

The command line, sweeps, replays and estimators all call that `run`.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rnnkit.core import (
    BaseConfig,
    OutOfMemory,
    UserError,
    cells,
    cli,
    is_out_of_memory,
    processes,
    refuse_idle,
    run_name,
    sizes,
    wording,
    writing,
)
from rnnkit.inference import kept_out
from rnnkit.runs import Comparison, Reference, Result, RunContext, Status, printing, tracking
from rnnkit.training.objective import Objective


if TYPE_CHECKING:
    import torch
    from torch import nn

    from rnnkit.diagnostics import ProbeBatch
    from rnnkit.sequences import Preprocessing
    from rnnkit.training.screening import Screened


C = TypeVar("C", bound=BaseConfig)
D = TypeVar("D")

Report = Callable[[int, float], None]
"""Called after each evaluation with its number from 1 and the value of the objective; it may raise `Pruned`."""


@dataclass
class Task(Generic[D]):
    """What is trained, and on what.

    Args:
        data: what `conclude` needs of the data, in whatever form.
        checksums: each data set's name and the SHA-256 of its contents.
        objective: what evaluations are judged by; training keeps the best weights by it.
        model: on the device, with its initial weights.
        batches: the batches of an epoch, by its number from 0: of `sequences.Batch` or `bptt_chunks.Chunk`.
        steps_per_epoch: how many batches an epoch has.
        loss: the mean loss of a batch, a scalar, and the recurrent state to carry to the next batch, or None. It gets
            what the batch before returned, cut from its graph; None at the start of an epoch.
        evaluate: metrics of the model as it is; must draw no random number and leave the model as it was.
        probe: the sequences on which `--observe` looks into the network; without any it does not.
        rate: a schedule of the experiment's own in place of `--schedule`: what the learning rate is multiplied with, by
            the epochs done so far.
        late: asked after each evaluation whether training is to end there, for a limit of time.
    """

    data: D
    checksums: dict[str, str]
    objective: Objective
    model: "nn.Module"
    batches: Callable[[int], Iterator[Any]]
    steps_per_epoch: int
    loss: "Callable[[nn.Module, Any, Any], tuple[torch.Tensor, Any]]"
    evaluate: Callable[[], dict[str, float]]
    probe: "ProbeBatch | None" = None
    rate: Callable[[float], float] | None = None
    late: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Final:
    """How an experiment ends: its final metrics, and what stands beside them.

    `preprocessing` is kept with the weights, so that `rnnkit.load` gives a model for sequences as they come.
    """

    metrics: dict[str, float]
    comparison: Comparison | None = None
    references: list[Reference] | None = None
    keep: dict[str, Any] = field(default_factory=dict)  # plain values that using the weights takes (a vocabulary, say)
    write: Callable[[Path], None] | None = None  # writes more into the run's folder: predictions, pictures
    preprocessing: "Preprocessing | None" = None


@dataclass(frozen=True)
class Experiment(Generic[C, D]):
    """An experiment that can be run: `run = experiment(Config, setup, conclude)`, then `run(config) -> Result`."""

    Config: type[C]
    setup: "Callable[[C, torch.device], Task[D]]"
    conclude: Callable[[C, Task[D]], Final]
    remarks: Callable[[C, Result], list[str]] | None = None  # further lines below a result on the command line
    settle: Callable[[C], C] | None = (
        None  # fills in settings that the data decide, and says so; once filled in, nothing
    )

    def __call__(self, config: C, report: Report | None = None, context: RunContext | None = None) -> Result:
        """Train a net with these settings, and test it. `report` may raise `Pruned`.

        `context` says which study's trial it is, or in which folder it goes on. Raises `UserError` for settings or data
        that cannot be used, and `OutOfMemory` for such as the memory does not hold.
        """
        from rnnkit.nn import kernel_in_force, promise
        from rnnkit.training.loop import fit

        if config.screen:
            raise UserError("--screen trains nothing: see `screened`")
        config = self.completed(config)
        with kept_out():
            task = self.prepared(config)
            limits = promise.limits(config, task.model, next(task.model.parameters()).device)
            with tracking.start(config, task.checksums, context, kernel_in_force(), limits) as run:
                fit(task, config, run, report)
                processes.give_back_memory()
                final = self.conclude(config, task)
                if final.write is not None:
                    with writing(run.folder):
                        final.write(run.folder)
                beside = final.comparison, final.references
                kept = _for_use(task.model, final.preprocessing) | final.keep
                run.finish(task.model, final.metrics, kept, comparison=beside[0], references=beside[1])
        assert run.result is not None
        return run.result

    def settled(self, config: C) -> C:
        """The configuration with what the data decide filled in. Raises `UserError` for data that cannot be used."""
        return config if self.settle is None else self.settle(config)

    def started(self, config: C, say: Callable[[str], None] = lambda _: None) -> C:
        """The configuration with a start of the weights for `--init auto`: that which is likeliest to learn.

        Of equally likely ones the first. `say` gets a line on it.
        """
        if config.init != "auto":
            return config
        seen = {one: self.screened(one).foretold for one in (config.changed(init=s) for s in cells.starts(config.cell))}
        chances = {one: 0.0 if foretold is None else foretold.chance for one, foretold in seen.items()}
        best = max(chances, key=chances.__getitem__)
        each = ", ".join(f"{one.init} {chance:.2f}" for one, chance in chances.items())
        say(f"--init auto: {best.init}; the chances to learn are {each}")
        return best

    def completed(self, config: C, say: Callable[[str], None] = lambda _: None) -> C:
        """The configuration with all filled in that is left open; `say` is as in `started`."""
        return self.started(self.settled(config), say)

    def prepared(self, config: C) -> Task[D]:
        """What a run would train, with its initial weights, in a process set up for it. Nothing is recorded."""
        from rnnkit.training.loop import prepare

        device = prepare(config)
        try:
            with kept_out():
                return self.setup(self.completed(config), device)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemory(f"out of memory with {sizes(config)}: lower these") from None

    def screened(self, config: C) -> "Screened":
        """What may keep a net with these settings from learning, and its chance, by a look into it before training."""
        from rnnkit.training import screening

        config = self.completed(config)
        task = self.prepared(config)
        with kept_out():
            return screening.screened(task, config)

    def main(self) -> None:
        """Run with the settings of the command line, and say what came out; exit with 1 where it diverged."""
        prog = f"python -m experiments.{self.Config.experiment}"
        config = cli.parse(self.Config, prog, sys.argv[1:], sys.modules[self.Config.__module__].__doc__)
        refuse_idle(config, sys.argv[1:])
        config = self.completed(config, print)
        if config.screen:
            seen = self.screened(config)
            raised = wording.count(len(seen.flags), "flag") if seen.flags else "no flags"
            print(f"{run_name(config)}, before training: {raised}")
            print("".join(f"  {flag}\n" for flag in seen.flags), end="")
            print(f"  {seen.foretold}" if seen.foretold else "  nothing is foretold: no sequences of it are watched")
            return
        result = self(config)
        printing.print_result(result)
        for line in self.remarks(config, result) if self.remarks else []:
            print(line)
        if result.status == Status.DIVERGED:
            sys.exit(1)


def _for_use(model: "nn.Module", preprocessing: "Preprocessing | None") -> dict[str, Any]:
    """What it takes to use a net's weights, as plain values: how it is made, and how sequences become what it reads."""
    from rnnkit.inference import architecture

    kept: dict[str, Any] = {"net": architecture.of(model)}
    return kept if preprocessing is None else kept | {"preprocessing": asdict(preprocessing)}


experiment = Experiment
