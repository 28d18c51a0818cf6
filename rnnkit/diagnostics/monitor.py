"""What a run's record gets of the network's inside while it is trained, on a few watched sequences."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import BaseConfig, files, writing
from rnnkit.diagnostics import credit_horizon, norms
from rnnkit.diagnostics._inside import Inside, look, portrait, seen
from rnnkit.diagnostics.probe import ProbeBatch
from rnnkit.nn import evaluating


__all__ = ["Inside", "Monitor", "look", "portrait", "seen", "truncation", "where_losses_are", "write_curves"]


class Monitor:
    """Looks into a network as `config.observe` says: off, light (cheap numbers), or full (with curves, in files).

    What it sees goes into the run's rows; when it looks depends on the step and the configuration alone.
    """

    def __init__(self, model: nn.Module, config: BaseConfig, probe: ProbeBatch | None, folder: Path):
        self.model, self.config, self.folder = model, config, folder
        self.probe = None if config.observe == "off" else probe
        self.groups, self.blocks = norms.parameter_groups(model), norms.gate_blocks(model)
        self.full = self.probe is not None and config.observe == "full"
        # The initial weights, of a resumed run too.
        self.start = {} if self.probe is None else norms.snapshot(self.groups)

    def before_training(self) -> dict[str, float]:
        """What the initial weights make of a gradient: part of the first step's row."""
        if self.probe is None:
            return {}
        row = {"memory/span": float(self.probe.span)}
        for name, value in look(self.model, self.probe).numbers.items():
            where, _, statistic = name.rpartition("/")
            if name.startswith("memory/") and statistic in ("rate", "horizon"):
                row[f"{where}/initial_{statistic}"] = value
        return row

    def looks_at(self, step: int) -> bool:
        """Whether the update of this step is measured."""
        return self.probe is not None and step % self.config.observe_every == 0

    def of_update(self, before: dict[str, list[Tensor]]) -> dict[str, float]:
        """How far the step moved each group, `before` being the `diagnostics.snapshot`; gradient norms by gate."""
        return {
            **_named("update", self.groups, norms.update_ratios(self.groups, before)),
            **_named("grad_norm", self.blocks, norms.gate_gradient_norms(self.blocks)),
        }

    def at_evaluation(self, step: int, last: bool) -> dict[str, float]:
        """What is seen at an evaluation; `last` is that after the last step."""
        if self.probe is None:
            return {}
        inside = look(self.model, self.probe, through_time=self.full or last)
        row = inside.numbers | _named("distance", self.groups, norms.distances(self.groups, self.start))
        if self.full or last:
            contexts, losses = truncation(self.model, self.probe)
            quarter = max(i for i, k in enumerate(contexts) if k <= max(self.probe.span // 4, 1))
            known = {"one": losses[0], "quarter": losses[quarter], "all": losses[-1]}
            row |= {f"memory/loss_{name}": loss for name, loss in known.items() if math.isfinite(loss)}
            row["memory/k95"] = float(credit_horizon.k95(contexts, losses))
            if self.full:
                curves = inside.curves | (portrait(self.model, self.probe) if last else {})
                curves |= {"truncation/contexts": torch.tensor(contexts), "truncation/losses": torch.tensor(losses)}
                write_curves(self.folder, step, curves | where_losses_are(self.model, self.probe))
        return row


def _named(group: str, names: Iterable[str], numbers: Tensor) -> dict[str, float]:
    return {f"{group}/{name}": number for name, number in zip(names, numbers.tolist(), strict=True)}


def where_losses_are(model: nn.Module, probe: ProbeBatch) -> dict[str, Tensor]:
    """Curves of the loss on the watched sequences: by step where there is one at each, and by length."""
    curves: dict[str, Tensor] = {}
    if probe.losses is None:
        return curves
    with evaluating(model):
        losses, lengths = probe.losses()
    if isinstance(losses, PackedSequence):
        curves["loss/position"] = credit_horizon.loss_by_position(losses)
        losses = losses.data
    shortest, means, _ = credit_horizon.loss_by_length(losses, lengths)
    return curves | {"loss/lengths": torch.tensor(shortest), "loss/length": torch.tensor(means)}


def write_curves(folder: Path, step: int, curves: dict[str, Tensor]) -> None:
    """Write curves of shape (points,) into a run's folder, as media/curves-<step>.json."""
    with writing(folder / "media"):
        (folder / "media").mkdir(exist_ok=True)
        plain = {name: [files.plain_float(point) for point in points.tolist()] for name, points in curves.items()}
        text = json.dumps({"step": step, **plain}, allow_nan=False)  # in one line, which takes a third of the time
        files.write_whole(folder / "media" / f"curves-{step:09}.json", text.encode())


def truncation(model: nn.Module, probe: ProbeBatch) -> tuple[list[int], list[float]]:
    """The mean loss of a model on the watched sequences with the last k inputs alone: the numbers k, and the losses."""
    contexts = credit_horizon.contexts_up_to(probe.span)
    with evaluating(model):
        return contexts, [probe.costs(k).double().mean().item() for k in contexts]
