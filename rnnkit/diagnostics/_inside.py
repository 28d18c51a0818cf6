"""What is seen inside a network on a few watched sequences: states, gates, gradients through time.

Everything is computed on a copy of the recurrent modules, in float64, from what they read in evaluation mode. So the
network, its gradients and all random numbers stay as they are, whatever is looked at; gradients that fade through
hundreds of steps do not become 0 on their way; and torch.nn's layers can be looked into as well as ours.

The gradient that is followed through time is a random one at the last state of each layer and direction: what becomes
of it on its way back depends on the recurrence of this layer alone, not on how far the head or other layers have
learned. (In the mean over such vectors its square is the squared norm of the Jacobian, ||J||_F^2.)
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit import sequences
from rnnkit.core import seeding
from rnnkit.diagnostics import credit_horizon, dynamics, states
from rnnkit.diagnostics.probe import ProbeBatch, layer_inputs
from rnnkit.nn import GATES, Gates, layers
from rnnkit.observation import LayerTrace, observe


NEARBY = 1e-3  # the states' distance, so that tanh and sigmoid are straight between them


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
    where <where> is `<module>.<layer>.<direction>`; those that are not defined (NaN) are left out. Curves are the
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
            where = f"{name}.{place}"
            inside.take(f"hidden/{where}", _of_states(trace, through_time))
            if through_time:
                _take_memory(inside, where, trace, others[place])
            if module.mode in GATES:
                _take_gates(inside, where, trace, GATES[module.mode])
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
            if isinstance(module, nn.RNN):
                kind, matrix = "W_hh", getattr(module, f"weight_hh_{trace.place.suffix}").detach().double()
            else:
                some = torch.linspace(0, len(order) - 1, min(16, len(order))).long()
                kind = "mean Jacobian"
                matrix = dynamics.jacobians(module, [part[some] for part in trace.starts], *trace.place).mean(dim=0)
            values = torch.linalg.eigvals(matrix)
            parts[f"eigenvalues/{where}/{kind}"] = torch.cat([values.real, values.imag])
    return parts


def _of_states(trace: LayerTrace, all_dimensions: bool) -> dict[str, float]:
    rows = trace.hidden.data
    rms, rms_std, saturated = states.magnitude(rows)
    numbers = {
        "rms": rms,
        "rms_std": rms_std,
        "saturated": saturated,
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
    vectors = torch.randn(len(lengths), hidden.data.shape[1], dtype=torch.float64, generator=generator)
    vectors = vectors.to(hidden.data.device)
    back = trace.carried_back(vectors)
    start = [gradient for gradient in (back.initial, back.initial_cell) if gradient is not None]
    rate = credit_horizon.gradient_rate(torch.cat(start, dim=1), vectors, lengths)
    inside.curves[f"lag/{where}"] = by_lag = credit_horizon.gradient_by_lag(back.hidden, back.cell, backward)
    reach, mean_lag = credit_horizon.gradient_reach(by_lag)
    apart, slope = credit_horizon.forgetting_curve(hidden, other.hidden, backward=backward)
    inside.curves[f"forgetting/{where}"] = apart
    numbers = {"rate": rate, "horizon": credit_horizon.horizon(rate), "reach": float(reach), "mean_lag": mean_lag}
    inside.take(f"memory/{where}", {**numbers, "forgetting_rate": slope})


def _take_gates(inside: Inside, where: str, trace: LayerTrace, gates: Gates) -> None:
    """What each gate does, and on what timescales the one that keeps the state keeps it."""
    rows = {name: packed.data for name, packed in trace.gates.items()}
    for name, gate in rows.items():
        if name == gates.candidate:
            continue
        of_gate = states.gate_statistics(gate)
        inside.curves.update({f"{side}/{where}/{name}": of_gate[side] for side in ("left", "right")})
        inside.take(f"gate/{where}/{name}", {k: units.mean().item() for k, units in of_gate.items()})
    scales = states.timescales(rows[gates.keeps])
    inside.curves[f"timescale/{where}"] = scales
    numbers = {"timescale_median": scales.median().item(), "timescale_max": scales.max().item()}
    inside.take(f"gate/{where}/{gates.keeps}", numbers)


def _elsewhere(
    module: nn.RNNBase, inputs: PackedSequence | Tensor, initial: tuple[Any, ...], batch: int
) -> tuple[Any, ...]:
    """Initial states a little away from those that are given, for all layers and directions."""
    size = [module.num_layers * (2 if module.bidirectional else 1), batch, module.hidden_size]
    if isinstance(inputs, Tensor) and inputs.dim() == 2:  # unbatched
        del size[1]
    generator = seeding.generator(0, "states to forget")
    away = [NEARBY * torch.randn(size, dtype=torch.float64, generator=generator) for _ in "hc"]
    away = [state.to(next(module.parameters()).device) for state in away]
    if initial and initial[0] is not None:
        given = initial[0] if isinstance(initial[0], tuple) else initial
        away = [state.double() + far for state, far in zip(given, away, strict=False)]
    return (tuple(away),) if isinstance(module, nn.LSTM) else (away[0],)


def seen(module: nn.RNNBase, inputs: PackedSequence | Tensor, initial: tuple[Any, ...]) -> dict[str, LayerTrace]:
    """What `observe` sees of a float64 copy of a module."""
    return _traces(_twin(module), inputs, initial)


def _traces(twin: nn.RNNBase, inputs: PackedSequence | Tensor, initial: tuple[Any, ...]) -> dict[str, LayerTrace]:
    with torch.no_grad(), observe(twin) as trace:
        twin(*(_double(part) for part in (inputs, *initial)))
    return trace["model"]


def _double(value: Any) -> Any:
    if isinstance(value, PackedSequence):
        return value._replace(data=value.data.double())
    return tuple(map(_double, value)) if isinstance(value, tuple) else None if value is None else value.double()


def _twin(module: nn.RNNBase) -> nn.RNNBase:
    """A layer of ours with the weights of `module` in float64, without dropout."""
    kind = next(kind for kind in (layers.RNN, layers.GRU, layers.LSTM) if isinstance(module, kind.__bases__[-1]))
    options = {name: getattr(module, name) for name in ("num_layers", "bias", "batch_first", "bidirectional")}
    if isinstance(module, nn.RNN):
        options["nonlinearity"] = module.nonlinearity
    # On "meta", so that no random numbers are drawn for weights that are not used.
    twin = kind(module.input_size, module.hidden_size, device="meta", **options)
    twin = twin.to_empty(device=next(module.parameters()).device).double()
    with torch.no_grad():
        for name, weight in twin.named_parameters():
            weight.copy_(getattr(module, name))
    return twin
