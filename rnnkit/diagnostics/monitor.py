"""What is seen of a network while it is trained: states, gates, gradients through time, on a few watched sequences.

Everything is computed on a copy of the recurrent modules, in float64, from what they read in evaluation mode. So the
network, its gradients and all random numbers stay as they are, whatever is looked at; gradients that fade through
hundreds of steps do not become 0 on their way; and torch.nn's layers can be looked into as well as ours.

The gradient that is followed through time is a random one at the last state of each layer and direction: what becomes
of it on its way back depends on the recurrence of this layer alone, not on how far the head or other layers have
learned. (In the mean over such vectors its square is the squared norm of the Jacobian, ||J||_F^2.)
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit import sequences
from rnnkit.core import files, seeding
from rnnkit.core.config import BaseConfig
from rnnkit.core.errors import writing
from rnnkit.diagnostics import credit_horizon, dynamics, states
from rnnkit.diagnostics.norms import (
    distances,
    gate_blocks,
    gate_gradient_norms,
    parameter_groups,
    snapshot,
    update_ratios,
)
from rnnkit.diagnostics.probe import ProbeBatch, read
from rnnkit.nn import layers
from rnnkit.nn.modules import evaluating
from rnnkit.observation import observe
from rnnkit.observation.trace import LayerTrace


NEARBY = 1e-3  # the states' distance, so that tanh and sigmoid are straight between them
KEEPS = {"LSTM": "f", "GRU": "z"}  # the gate that keeps the state


@dataclass(frozen=True)
class Inside:
    """What was seen: numbers by the names they are logged under, and curves, each of shape (points,), by theirs."""

    numbers: dict[str, float]
    curves: dict[str, Tensor]


def look(model: nn.Module, probe: ProbeBatch, through_time: bool = True) -> Inside:
    """Look into all recurrent modules of a model on the watched sequences; `through_time` follows gradients too.

    Without it, what takes eigenvalues is left out as well.

    Numbers are named as DESIGN.md says, by `<module>.<layer>.<direction>`; those that are not defined (NaN) are left
    out. Curves are the gradient by lag, how far two runs from different states are apart by step, the timescale of
    each unit, and each gate's shares below 0.1 and above 0.9.
    """
    numbers, curves = {}, {}
    for name, (module, inputs, initial) in read(model, probe.run).items():
        layers_seen = seen(module, inputs, initial)
        others = {}
        if through_time:
            batch = int(layers_seen["l0.f"].hidden.batch_sizes[0])
            others = seen(module, inputs, _elsewhere(module, inputs, initial, batch))
        for place, one in layers_seen.items():
            where, backward = f"{name}.{place}", place.endswith("b")
            numbers |= {f"hidden/{where}/{k}": value for k, value in _of_states(one, backward, through_time).items()}
            if through_time:
                found = _of_memory(one, backward, curves, where)
                found |= _of_forgetting(one, others[place], backward, curves, where)
                numbers |= {f"memory/{where}/{k}": value for k, value in found.items()}
            for gate, packed in one.gates.items():
                numbers |= {f"gate/{where}/{gate}/{k}": v for k, v in _of_gate(gate, packed, curves, where).items()}
            keeps = one.gates.get(KEEPS.get(module.mode))
            if keeps is not None:
                scales = states.timescales(keeps.data)
                curves[f"timescale/{where}"] = scales
                numbers[f"gate/{where}/{KEEPS[module.mode]}/timescale_median"] = scales.median().item()
                numbers[f"gate/{where}/{KEEPS[module.mode]}/timescale_max"] = scales.max().item()
    return Inside({name: value for name, value in numbers.items() if not math.isnan(value)}, curves)


def portrait(model: nn.Module, probe: ProbeBatch) -> dict[str, Tensor]:
    """What pictures at the end of a run need beside the curves, for each layer and direction.

    `states/...`: the hidden states of the watched sequences, one after the other, on their first two principal
    components, of shape (steps x 2,); `states-lengths` and `explained/...` belong to them. `eigenvalues/...`: real
    parts, then imaginary ones, of W_hh where there are no gates, else of the mean Jacobian of a step.
    """
    found = {}
    for name, (module, inputs, initial) in read(model, probe.run).items():
        for place, one in seen(module, inputs, initial).items():
            where = f"{name}.{place}"
            order = torch.argsort(sequences.owners(one.hidden), stable=True)  # rows come step by step
            components = states.principal_components(one.hidden.data, 2)
            found[f"states/{where}"] = states.project(one.hidden.data[order], components).flatten()
            found["states-lengths"] = torch.bincount(sequences.owners(one.hidden))
            found[f"explained/{where}"] = components.explained
            layer, backward = int(place[1:-2]), place.endswith("b")
            if isinstance(module, nn.RNN):
                kind, matrix = "W_hh", getattr(module, f"weight_hh_l{layer}{'_reverse' * backward}").detach().double()
            else:
                some = torch.linspace(0, len(order) - 1, min(16, len(order))).long()
                kind = "mean Jacobian"
                matrix = dynamics.jacobians(module, [part[some] for part in one.starts], layer, backward).mean(dim=0)
            values = torch.linalg.eigvals(matrix)
            found[f"eigenvalues/{where}/{kind}"] = torch.cat([values.real, values.imag])
    return found


class Monitor:
    """Looks into a network as `config.observe` says: off, light (cheap numbers), or full (with curves, in files).

    What it finds goes into the run's rows; when it looks depends on the step and the configuration alone.
    """

    def __init__(self, model: nn.Module, config: BaseConfig, probe: ProbeBatch | None, folder: Path):
        self.model, self.config, self.probe, self.folder = model, config, probe, folder
        self.groups = parameter_groups(model)
        self.blocks = gate_blocks(model)
        self.on = config.observe != "off" and probe is not None
        self.full = self.on and config.observe == "full"
        self.start = snapshot(self.groups) if self.on else {}  # the initial weights, also of a resumed run

    def before_training(self) -> dict[str, float]:
        """What the initial weights make of a gradient: part of the first step's row."""
        if not self.on:
            return {}
        found = look(self.model, self.probe).numbers
        initial = {k: v for k, v in found.items() if k.startswith("memory/") and k.endswith(("/rate", "/horizon"))}
        row = {"memory/span": float(self.probe.span)}
        for name, value in initial.items():
            where, _, statistic = name.rpartition("/")
            row[f"{where}/initial_{statistic}"] = value
        return row

    def looks_at(self, step: int) -> bool:
        """Whether the update of this step is measured."""
        return self.on and step % self.config.observe_every == 0

    def of_update(self, before: dict) -> dict[str, float]:
        """How far the step moved each group, `before` being the `diagnostics.snapshot`; gradient norms by gate."""
        ratios = update_ratios(self.groups, before).tolist()
        row = {f"update/{name}": ratio for name, ratio in zip(self.groups, ratios, strict=True)}
        norms = gate_gradient_norms(self.blocks).tolist()
        return row | {f"grad_norm/{name}": norm for name, norm in zip(self.blocks, norms, strict=True)}

    def at_evaluation(self, step: int, last: bool) -> dict[str, float]:
        """What is seen at an evaluation; `last` is that after the last step."""
        if not self.on:
            return {}
        inside = look(self.model, self.probe, through_time=self.full or last)
        row = inside.numbers
        moved = distances(self.groups, self.start).tolist()
        row |= {f"distance/{name}": distance for name, distance in zip(self.groups, moved, strict=True)}
        if self.full or last:
            curve = truncation(self.model, self.probe)
            quarter = max(i for i, k in enumerate(curve.contexts) if k <= max(self.probe.span // 4, 1))
            losses = {"one": curve.losses[0], "quarter": curve.losses[quarter], "all": curve.losses[-1]}
            row |= {f"memory/loss_{name}": loss for name, loss in losses.items() if math.isfinite(loss)}
            row["memory/k95"] = float(curve.k95)
        if self.full:
            found = inside.curves | (portrait(self.model, self.probe) if last else {})
            points = {"truncation/contexts": curve.contexts, "truncation/losses": curve.losses}
            found |= {name: torch.tensor(values) for name, values in points.items()}
            write_curves(self.folder, step, found | where_losses_are(self.model, self.probe))
        return row


def where_losses_are(model: nn.Module, probe: ProbeBatch) -> dict[str, Tensor]:
    """Curves of the loss on the watched sequences: by step where there is one at each, and by length."""
    with evaluating(model):
        losses, lengths = probe.losses()
    found = {}
    if isinstance(losses, PackedSequence):
        found["loss/position"] = credit_horizon.loss_by_position(losses)
        losses = losses.data
    by_length = credit_horizon.loss_by_length(losses, lengths)
    return found | {"loss/lengths": torch.tensor(by_length.shortest), "loss/length": torch.tensor(by_length.losses)}


def write_curves(folder: Path, step: int, curves: dict[str, Tensor]) -> None:
    """Write curves of shape (points,) into a run's folder, as media/curves-<step>.json."""
    with writing(folder / "media"):
        (folder / "media").mkdir(exist_ok=True)
        plain = {name: [files.plain_float(point) for point in points.tolist()] for name, points in curves.items()}
        text = json.dumps({"step": step, **plain}, allow_nan=False)  # in one line, which takes a third of the time
        files.write_whole(folder / "media" / f"curves-{step:09}.json", text.encode())


def truncation(model: nn.Module, probe: ProbeBatch) -> credit_horizon.Truncation:
    """The context-truncation curve of a model on the watched sequences (`credit_horizon.truncation_of`)."""
    with evaluating(model):
        contexts = credit_horizon.contexts_up_to(probe.span)
        losses = [probe.costs(k).double().mean().item() for k in contexts]
    return credit_horizon.truncation_of(contexts, losses)


def _of_states(one: LayerTrace, backward: bool, all_dimensions: bool) -> dict[str, float]:
    rows = one.hidden.data
    size = states.magnitude(rows)
    found = {
        "rms": size.rms_mean,
        "rms_std": size.rms_std,
        "saturated": size.saturated,
        "dead": states.dead_units(rows).double().mean().item(),
        "participation_ratio": states.participation_ratio(rows),
        "drift": states.norm_drift(one.hidden, backward),
    }
    if all_dimensions:  # these take the covariance's eigenvalues, as long as all of the above
        filled = states.dimensions(rows)
        found |= {"effective_rank": filled.effective_rank, "k90": float(filled.k90)}
    return found


def _of_memory(one: LayerTrace, backward: bool, curves: dict[str, Tensor], where: str) -> dict[str, float]:
    states_seen = one.hidden
    lengths = torch.bincount(sequences.owners(states_seen))
    generator = seeding.generator(0, "gradients to follow through time")
    vectors = torch.randn(len(lengths), states_seen.data.shape[1], dtype=torch.float64, generator=generator)
    vectors = vectors.to(states_seen.data.device)
    back = one.carried_back(vectors)
    start = [gradient for gradient in (back.initial, back.initial_cell) if gradient is not None]
    rate = credit_horizon.gradient_rate(torch.cat(start, dim=1), vectors, lengths)
    by_lag = credit_horizon.gradient_by_lag(back.hidden, back.cell, backward)
    reach = credit_horizon.gradient_reach(by_lag)
    curves[f"lag/{where}"] = by_lag
    return {
        "rate": rate.rate,
        "horizon": rate.horizon,
        "reach": float(reach.farthest),
        "mean_lag": reach.mean_lag,
    }


def _elsewhere(module: nn.RNNBase, inputs: PackedSequence | Tensor, initial: tuple, batch: int) -> tuple:
    """Initial states a little away from those that are given, for all layers and directions."""
    size = [module.num_layers * (2 if module.bidirectional else 1), batch, module.hidden_size]
    if isinstance(inputs, Tensor) and inputs.dim() == 2:  # unbatched
        del size[1]
    generator = seeding.generator(0, "states to forget")
    away = [NEARBY * torch.randn(size, dtype=torch.float64, generator=generator) for _ in "hc"]
    away = [state.to(module.weight_ih_l0.device) for state in away]
    if initial and initial[0] is not None:
        given = initial[0] if isinstance(initial[0], tuple) else initial
        away = [state.double() + far for state, far in zip(given, away, strict=False)]
    return (tuple(away),) if isinstance(module, nn.LSTM) else (away[0],)


def _of_forgetting(
    one: LayerTrace, other: LayerTrace, backward: bool, curves: dict[str, Tensor], where: str
) -> dict[str, float]:
    found = credit_horizon.forgetting_curve(one.hidden, other.hidden, backward=backward)
    curves[f"forgetting/{where}"] = found.distances
    return {"forgetting_rate": found.slope.rate}


def _of_gate(gate: str, packed: PackedSequence, curves: dict[str, Tensor], where: str) -> dict[str, float]:
    if gate in "gn":  # candidates, between -1 and 1: no gates to be shut or open
        return {}
    found = states.gate_statistics(packed.data)
    curves[f"left/{where}/{gate}"], curves[f"right/{where}/{gate}"] = found.left, found.right
    return {name: getattr(found, name).mean().item() for name in ("left", "right", "sensitivity", "std")}


def seen(module: nn.RNNBase, inputs: PackedSequence | Tensor, initial: tuple) -> dict[str, LayerTrace]:
    """What `observe` sees of a float64 copy of a module."""
    twin = _twin(module)
    with torch.no_grad(), observe(twin) as trace:
        inputs = inputs._replace(data=_double(inputs.data)) if isinstance(inputs, PackedSequence) else _double(inputs)
        twin(inputs, *(_double(state) for state in initial))
    return trace["model"]


def _double(value):
    return tuple(map(_double, value)) if isinstance(value, tuple) else None if value is None else value.double()


_TWINS: WeakKeyDictionary[nn.RNNBase, nn.RNNBase] = WeakKeyDictionary()


def _twin(module: nn.RNNBase) -> nn.RNNBase:
    """A layer of ours with the weights of `module` in float64, without dropout; the same one each time."""
    if module not in _TWINS:
        _TWINS[module] = _new_twin(module)
    twin = _TWINS[module]
    with torch.no_grad():
        for name, weight in twin.named_parameters():
            weight.copy_(getattr(module, name))
    return twin


def _new_twin(module: nn.RNNBase) -> nn.RNNBase:
    kind = next(kind for kind in (layers.RNN, layers.GRU, layers.LSTM) if isinstance(module, kind.__bases__[-1]))
    options = {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {}
    twin = kind(
        module.input_size,
        module.hidden_size,
        num_layers=module.num_layers,
        bias=module.bias,
        batch_first=module.batch_first,
        bidirectional=module.bidirectional,
        device="meta",  # so that no random numbers are drawn for weights that are not used
        **options,
    )
    return twin.to_empty(device=next(module.parameters()).device).double()
