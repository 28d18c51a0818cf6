"""Signs of whether a net learns: looks into it, each summed up in a few numbers that mean the same for all cells.

Times are counted in spans (the median length of the watched sequences), sizes as logarithms or in shares. What a cell
does not have, or is not defined, is left out.
"""

import math
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnnkit import sequences
from rnnkit.diagnostics import ProbeBatch, dynamics, layer_inputs, monitor, norms
from rnnkit.nn import evaluating, recurrent_modules
from rnnkit.observation import LayerTrace
from rnnkit.runs import flags


# Of any look.
LOOK = (
    "gradient through time",  # ln of what is left of a gradient after a span, in the layer that carries it farthest
    "gradient through time, worst layer",
    "reach of gradients",  # the lag at which 1 % is left
    "forgetting",  # ln of how far apart two near states are after a span
    "size of states",  # ln of their root mean square, the mean over layers
    "saturated units",
    "dead units",
    "dimensions of states",  # the participation ratio by hidden size, the least over layers
    "growth of states",  # within a span, by their size
    "insensitive gate",  # 4 g (1 - g) of the least sensitive gate, not counting the one that keeps the state
    "timescale of gates",  # ln of the longest
    "gain by all inputs",  # by how much less than with one input the loss is, as a share of that
    "gain by far inputs",  # the part of it that comes from beyond the last quarter
)
# Of a net before training, beside these: scores that others have published, and how large a first step of
# Adam is beside the recurrent layers' weights (ln).
UNTRAINED = ("largest Lyapunov exponent", "mean of Lyapunov exponents", "hidden covariance", "size of first update")
SETTINGS = ("learning rate", "hidden size", "depth", "span")  # logarithms, save for the depth
# Of the steps since the look before; before training, of the first step.
STEPS = (
    "training loss",  # ln of the mean, in first losses
    "gradient norm",  # ln of the median
    "share of W_hh in the gradient",  # ln
    "clipped steps",  # the share that exceeded the threshold
    "distance from the start",  # ln, of all weights, in their own size
)
NAMES = (*SETTINGS, *UNTRAINED, *LOOK, *STEPS)
# Exponents are of one sequence and its first steps: more of them cost more than they tell.
EXPONENTS, EXPONENT_STEPS = 4, 64
JITTER = 1e-5  # what is added to eigenvalues before their logarithm
LARGEST = 1_000.0  # beyond it, a sign says no more


def rounded(signs: dict[str, float | None]) -> dict[str, float]:
    """The signs that are defined, between -1,000 and 1,000, with four digits."""
    there = {name: value for name, value in signs.items() if value is not None and not math.isnan(value)}
    return {name: float(f"{min(max(value, -LARGEST), LARGEST):.4g}") for name, value in there.items()}


def of_look(model: nn.Module, probe: ProbeBatch) -> dict[str, float]:
    """The signs of a model as it is, on the watched sequences."""
    span, numbers = probe.span, monitor.look(model, probe).numbers
    with evaluating(model):
        one, quarter, every = (probe.costs(k).double().mean().item() for k in (1, max(span // 4, 1), span))
    keeping = {name.rpartition("/")[0] for name in numbers if name.endswith("/timescale_max")}

    def of(kind: str, choose: Callable[[list[float]], float] = max) -> float:
        group, statistic = kind.split("/")
        found = [
            value
            for name, value in numbers.items()
            if name.startswith(f"{group}/")
            and name.endswith(f"/{statistic}")
            and not (statistic == "sensitivity" and name.rpartition("/")[0] in keeping)
        ]
        return choose(found) if found else math.nan

    size = of("hidden/rms", lambda found: sum(found) / len(found))
    hidden = next(module.hidden_size for module in recurrent_modules(model).values())
    return rounded(
        {
            "gradient through time": of("memory/rate") * span,
            "gradient through time, worst layer": of("memory/rate", min) * span,
            "reach of gradients": of("memory/reach") / span,
            "forgetting": of("memory/forgetting_rate") * span,
            "size of states": log(size),
            "saturated units": of("hidden/saturated"),
            "dead units": of("hidden/dead"),
            "dimensions of states": of("hidden/participation_ratio", min) / hidden,
            "growth of states": of("hidden/drift") * span / size if size else None,
            "insensitive gate": of("gate/sensitivity", min),
            "timescale of gates": log(of("gate/timescale_max") / span),
            "gain by all inputs": (one - every) / one if one else None,
            "gain by far inputs": (quarter - every) / one if one else None,
        }
    )


def of_untrained(model: nn.Module, run: Callable[[], object], rate: float) -> dict[str, float]:
    """Scores of a net before training, on what it reads while `run()` runs, and how large a first step of `rate` is."""
    exponents, covariances = [], []
    for module, inputs, initial in layer_inputs(model, run).values():
        for trace in monitor.seen(module, inputs, initial).values():
            layer, backward = trace.place
            read = longest(trace)
            x = read[:EXPONENT_STEPS]
            if len(x) > 1:
                found = dynamics.lyapunov_exponents(module, x, EXPONENTS, layer=layer, backward=backward)
                exponents.append(found.mul(len(read)))
            last = sequences.times(trace.hidden, not backward) == 0
            covariances.append(hidden_covariance(trace.hidden.data[last]))
    groups = norms.parameter_groups(model).items()
    weights = [p for name, group in groups if "/" in name and not name.endswith("/bias") for p in group]
    size = math.sqrt(sum(p.square().sum().item() for p in weights) / sum(p.numel() for p in weights))
    return rounded(
        {
            "largest Lyapunov exponent": max((found[0].item() for found in exponents), default=None),
            "mean of Lyapunov exponents": max((found.mean().item() for found in exponents), default=None),
            "hidden covariance": sum(covariances) / len(covariances),
            "size of first update": log(rate / size) if size else None,
        }
    )


def longest(trace: LayerTrace) -> Tensor:
    """What a layer and direction reads of its longest sequence, of shape (steps, features), in its own time."""
    owner, time = sequences.owners(trace.hidden), sequences.times(trace.hidden, trace.place.backward)
    rows = (owner == int(torch.bincount(owner).argmax())).nonzero().flatten()
    return trace.starts[0][rows[time[rows].argsort()]]


def of_steps(rows: list[dict[str, float]], first: dict[str, float], clip: float) -> dict[str, float]:
    """The signs of steps that a run's rows hold, `first` being the row of its first step."""
    norms = [row["grad_norm/total"] for row in rows]
    recurrent = [
        math.hypot(*(v for k, v in row.items() if k.startswith("grad_norm/") and k.endswith("/hh"))) for row in rows
    ]
    shares = [part / whole for part, whole in zip(recurrent, norms, strict=True) if whole]
    loss = statistics.fmean(row["loss/train"] for row in rows)
    return rounded(
        {
            "training loss": log(loss / first["loss/train"]),
            "gradient norm": log(statistics.median(norms)),
            "share of W_hh in the gradient": log(statistics.median(shares)) if shares else None,
            "clipped steps": sum(norm > clip for norm in norms) / len(norms) if clip else None,
        }
    )


def raised(look: dict[str, float]) -> set[str]:
    """The names of the flags that a look raises, by the rules for records: the row that it would be is made of it."""
    known = {
        "memory/net/rate": look.get("gradient through time"),  # over a span of 1, as the sign is
        "hidden/net/saturated": look.get("saturated units"),
        "hidden/net/dead": look.get("dead units"),
        "gate/net/keeping/timescale_max": look.get("timescale of gates"),
        "gate/net/another/sensitivity": look.get("insensitive gate"),
    }
    row = {name: value for name, value in known.items() if value is not None} | {"memory/span": 1.0}
    if "gain by all inputs" in look and "gain by far inputs" in look:
        every = 1 - look["gain by all inputs"]
        row |= {"memory/loss_one": 1.0, "memory/loss_quarter": every + look["gain by far inputs"]}
        row |= {"memory/loss_all": every}
    # Units are dead where they are so at three evaluations; one is known.
    return {flag.name for flag in flags.judge([row] * 3)}


def hidden_covariance(states: Tensor) -> float:
    """How differently a layer answers to different sequences, from their last states, of shape (sequences, hidden).

    S = -mean of ln(l + k) + 1 / (l + k) over the eigenvalues l of the states' correlations from sequence to sequence:
    the larger, the more they differ (Serianni & Kalita, Training-free Neural Architecture Search for RNNs and
    Transformers, 2023, with the sum). S is below 0 and spans decades: this is -ln(-S). Correlations with a state whose
    units are all alike count as 0.
    """
    centred = states.double() - states.double().mean(dim=1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    directions = torch.where(length > 0, centred / length, 0.0)
    values = torch.linalg.eigvalsh(directions @ directions.T).clamp(min=0) + JITTER
    return -(values.log() + 1 / values).mean().log().item()


def log(value: float) -> float | None:
    """The natural logarithm, None where there is none."""
    return math.log(value) if value > 0 else None
