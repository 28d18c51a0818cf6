"""What a run's record gets of the network's inside while it is trained, on a few watched sequences.

What is seen (states, gates, gradients through time) is computed on a copy of the recurrent modules, in float64, from
what they read in evaluation mode. So the network, its gradients and all random numbers stay as they are, whatever is
looked at; gradients that fade through hundreds of steps do not become 0 on their way; and torch.nn's layers can be
looked into as well as ours.

The gradient that is followed through time is a random one at the last state of each layer and direction: what becomes
of it on its way back depends on the recurrence of this layer alone, not on how far the head or other layers have
learned. (In the mean over such vectors its square is the squared norm of the Jacobian, ||J||_F^2.)
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit import sequences
from rnnkit.core import BaseConfig, files, seeding, writing
from rnnkit.diagnostics import credit_horizon, dynamics, norms, states
from rnnkit.diagnostics.probe import ProbeBatch, layer_inputs
from rnnkit.nn import Cell, Layers, Recurrent, cell_of, evaluating, layers
from rnnkit.observation import LayerTrace, observe


NEARBY = 1e-3  # the states' distance, so that tanh and sigmoid are straight between them


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
        return {} if self.probe is None else initial(look(self.model, self.probe).numbers, self.probe)

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
                curves |= {"truncation/contexts": _points(contexts), "truncation/losses": _points(losses)}
                write_curves(self.folder, step, curves | where_losses_are(self.model, self.probe))
        return row


def initial(numbers: Mapping[str, float], probe: ProbeBatch) -> dict[str, float]:
    """What of the numbers of a look before training is part of the first step's row."""
    kept = {
        name: v for name, v in numbers.items() if name.startswith("memory/") and name.endswith(("/rate", "/horizon"))
    }
    return {"memory/span": float(probe.span)} | {"/initial_".join(name.rsplit("/", 1)): v for name, v in kept.items()}


def _named(group: str, names: Iterable[str], numbers: Iterable[float]) -> dict[str, float]:
    return {f"{group}/{name}": number for name, number in zip(names, numbers, strict=True)}


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
    return curves | {"loss/lengths": _points(shortest), "loss/length": _points(means)}


def _points(numbers: Sequence[float]) -> Tensor:
    whole = all(isinstance(number, int) for number in numbers)
    return torch.tensor(numbers, dtype=torch.long if whole else torch.float32, device="cpu")


def write_curves(folder: Path, step: int, curves: dict[str, Tensor]) -> None:
    """Write curves of shape (points,) into a run's folder, as `media/curves-<step>.json`."""
    with writing(folder / "media"):
        (folder / "media").mkdir(exist_ok=True)
        plain = {name: [files.plain_float(point) for point in points.tolist()] for name, points in curves.items()}
        text = json.dumps({"step": step, **plain}, allow_nan=False)  # in one line, which takes a third of the time
        files.write_whole(folder / "media" / f"curves-{step:09}.json", text.encode())


def truncation(model: nn.Module, probe: ProbeBatch) -> tuple[list[int], list[float]]:
    """The mean loss of a model on the watched sequences with no more than k inputs: the numbers k, and the losses."""
    contexts = credit_horizon.contexts_up_to(probe.span)
    with evaluating(model):
        return contexts, [probe.costs(k).double().mean().item() for k in contexts]


@dataclass(frozen=True)
class Inside:
    """What was seen: numbers by the names they are logged under, and curves, each of shape (points,), by theirs."""

    numbers: dict[str, float]
    curves: dict[str, Tensor]

    def take(self, group: str, numbers: dict[str, float]) -> None:
        """Take numbers of a group, those of them that are defined."""
        self.numbers.update({f"{group}/{name}": value for name, value in numbers.items() if not math.isnan(value)})


def look(model: nn.Module, probe: ProbeBatch, through_time: bool = True) -> Inside:
    """Look into all recurrent modules of a model on the watched sequences; `through_time` follows gradients too.

    Without it, what takes eigenvalues is left out as well.

    Numbers are named `hidden/<where>/<statistic>`, `memory/<where>/<statistic>` and `gate/<where>/<gate>/<statistic>`,
    where `<where>` is `<module>.<layer>.<direction>`; those that are not defined (NaN) are left out. Curves are the
    gradient by lag, how far two runs from different states are apart by step, the timescale of each unit, and each
    gate's shares below 0.1 and above 0.9.
    """
    inside = Inside({}, {})
    for name, (module, inputs, initial) in layer_inputs(model, probe.run).items():
        twin = _twin(module)
        traces = _traces(twin, inputs, initial)
        others = {}
        if through_time:
            batch = int(traces["l0.f"].hidden.batch_sizes[0])
            others = _traces(twin, inputs, _elsewhere(module, inputs, initial, batch))
        for place, trace in traces.items():
            where, cell = f"{name}.{place}", cell_of(module)
            inside.take(f"hidden/{where}", _of_states(trace, cell.bounded, through_time))
            if through_time:
                _take_memory(inside, where, trace, others[place])
            if cell.gates:
                _take_gates(inside, where, trace, cell)
    return inside


def portrait(model: nn.Module, probe: ProbeBatch) -> dict[str, Tensor]:
    """What pictures at the end of a run need beside the curves, for each layer and direction.

    `states/...`: the hidden states of the watched sequences, one after the other, on their first two principal
    components, of shape (steps x 2,); `states-lengths` and `explained/...` belong to them. `eigenvalues/...`: real
    parts, then imaginary ones, of W_hh where there are no gates, else of the mean Jacobian of a step.
    """
    parts: dict[str, Tensor] = {}
    for name, (module, inputs, initial) in layer_inputs(model, probe.run).items():
        for place, trace in seen(module, inputs, initial).items():
            where = f"{name}.{place}"
            order = torch.argsort(sequences.owners(trace.hidden), stable=True)  # rows come step by step
            components = states.principal_components(trace.hidden.data, 2)
            parts[f"states/{where}"] = states.project(trace.hidden.data[order], components).flatten()
            parts["states-lengths"] = torch.bincount(sequences.owners(trace.hidden))
            parts[f"explained/{where}"] = components.explained
            cell = cell_of(module)
            if cell.recurrent and not cell.gates:
                kind, matrix = "W_hh", getattr(module, f"weight_hh_{trace.place.suffix}").detach().double()
            else:
                some = torch.linspace(0, len(order) - 1, min(16, len(order)), dtype=torch.float32, device="cpu").long()
                kind = "mean Jacobian"
                matrix = dynamics.jacobians(module, [part[some] for part in trace.starts], *trace.place).mean(dim=0)
            values = torch.linalg.eigvals(matrix)
            parts[f"eigenvalues/{where}/{kind}"] = torch.cat([values.real, values.imag])
    return parts


def _of_states(trace: LayerTrace, bounded: bool, all_dimensions: bool) -> dict[str, float]:
    rows = trace.hidden.data
    rms, rms_std, saturated = states.magnitude(rows)
    numbers = {
        "rms": rms,
        "rms_std": rms_std,
        "saturated": saturated if bounded else math.nan,  # which is left out
        "dead": states.dead_units(rows).double().mean().item(),
        "participation_ratio": states.participation_ratio(rows),
        "drift": states.norm_drift(trace.hidden, trace.place.backward),
    }
    if all_dimensions:  # these take the covariance's eigenvalues, as long as all of the above
        filled = states.dimensions(rows)
        numbers |= {"effective_rank": filled.effective_rank, "k90": float(filled.k90)}
    return numbers


def _take_memory(inside: Inside, where: str, trace: LayerTrace, other: LayerTrace) -> None:
    """How a gradient at the last state fades on its way back, and how fast this run and the `other` meet."""
    hidden, backward = trace.hidden, trace.place.backward
    lengths = torch.bincount(sequences.owners(hidden))
    generator = seeding.generator(0, "gradients to follow through time")
    vectors = torch.randn(len(lengths), hidden.data.shape[1], dtype=torch.float64, device="cpu", generator=generator)
    vectors = vectors.to(hidden.data.device)
    back = trace.carried_back(vectors)
    rate = credit_horizon.gradient_rate(torch.cat(list(back.initial.values()), dim=1), vectors, lengths)
    h, *others = back.states.values()
    cell = others[0]._replace(data=torch.cat([part.data for part in others], dim=1)) if others else None
    inside.curves[f"lag/{where}"] = by_lag = credit_horizon.gradient_by_lag(h, cell, backward)
    reach, mean_lag = credit_horizon.gradient_reach(by_lag)
    apart, slope = credit_horizon.forgetting_curve(hidden, other.hidden, backward=backward)
    inside.curves[f"forgetting/{where}"] = apart
    numbers = {"rate": rate, "horizon": credit_horizon.horizon(rate), "reach": float(reach), "mean_lag": mean_lag}
    inside.take(f"memory/{where}", {**numbers, "forgetting_rate": slope})


def _take_gates(inside: Inside, where: str, trace: LayerTrace, cell: Cell) -> None:
    """What each gate does, and on what timescales the one that keeps the state, if any does, keeps it."""
    rows = {name: packed.data for name, packed in trace.gates.items()}
    for name, gate in rows.items():
        if name in cell.candidates:
            continue
        of_gate = states.gate_statistics(gate)
        inside.curves.update({f"{side}/{where}/{name}": of_gate[side] for side in ("left", "right")})
        numbers = {kind: units.mean().item() for kind, units in of_gate.items()}
        if name in cell.unsaturated:
            del numbers["sensitivity"]
        inside.take(f"gate/{where}/{name}", numbers)
    if not cell.keeps:
        return
    scales = states.timescales(rows[cell.keeps])
    inside.curves[f"timescale/{where}"] = scales
    numbers = {"timescale_median": scales.median().item(), "timescale_max": scales.max().item()}
    inside.take(f"gate/{where}/{cell.keeps}", numbers)


def _elsewhere(
    module: Layers, inputs: PackedSequence | Tensor, initial: tuple[Any, ...], batch: int
) -> tuple[Any, ...]:
    """Initial states a little away from those that are given, for all layers and directions."""
    size = [module.num_layers * (2 if module.bidirectional else 1), batch, module.hidden_size]
    if isinstance(inputs, Tensor) and inputs.dim() == 2:  # unbatched
        del size[1]
    generator = seeding.generator(0, "states to forget")
    parts = len(cell_of(module).states)
    away = [NEARBY * torch.randn(size, dtype=torch.float64, device="cpu", generator=generator) for _ in range(parts)]
    away = [state.to(next(module.parameters()).device) for state in away]
    if initial and initial[0] is not None:
        given = initial[0] if isinstance(initial[0], tuple) else initial
        away = [state.double() + far for state, far in zip(given, away, strict=False)]
    return (tuple(away),) if parts > 1 else (away[0],)


def seen(module: Layers, inputs: PackedSequence | Tensor, initial: tuple[Any, ...]) -> dict[str, LayerTrace]:
    """What `observe` sees of a float64 copy of a module."""
    return _traces(_twin(module), inputs, initial)


def _traces(twin: Layers, inputs: PackedSequence | Tensor, initial: tuple[Any, ...]) -> dict[str, LayerTrace]:
    with torch.no_grad(), observe(twin) as trace:
        twin(*(_double(part) for part in (inputs, *initial)))
    return trace["model"]


def _double(value: Any) -> Any:
    if isinstance(value, PackedSequence):
        return value._replace(data=value.data.double())
    return tuple(map(_double, value)) if isinstance(value, tuple) else None if value is None else value.double()


def _twin(module: Layers) -> Layers:
    """A layer of ours with the weights of `module` in float64, as in evaluation. `UserError` for a class of its own."""
    cell, sizes = cell_of(module), (module.input_size, module.hidden_size, module.num_layers)
    options: dict[str, Any] = {"batch_first": module.batch_first, "bidirectional": module.bidirectional}
    options["device"] = "meta"  # so that no random numbers are drawn for weights that are not used
    if isinstance(module, Recurrent):
        twin = Recurrent(cell, *sizes, zoneout=module.zoneout, **options)
    else:
        options |= {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {}
        twin = getattr(layers, cell.layer)(*sizes, bias=module.bias, **options)
    for name, _ in list(twin.named_parameters()):
        setattr(twin, name, nn.Parameter(getattr(module, name).detach().double()))
    return twin.eval()
