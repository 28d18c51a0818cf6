"""Signs of whether a net learns: what its record holds, summed up in a few numbers that mean the same for all nets.

Times are counted in spans (the median length of the watched sequences), sizes as logarithms or in shares. What a cell
does not have, or is not defined, is left out.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence


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
SETTINGS = ("learning rate", "hidden size", "depth", "span")  # logarithms, save for the depth
# Of the steps since the look before; before training, of the first step.
STEPS = (
    "training loss",  # ln of the mean, in first losses
    "gradient norm",  # ln of the median
    "share of W_hh in the gradient",  # ln
    "clipped steps",  # the share that exceeded the threshold
    "distance from the start",  # ln, of all weights, in their own size
)
# Of the validation so far.
LOSSES = (
    "validation loss",  # ln, in first losses
    "slope of the validation loss",  # of its ln by the ln of the step, in the later half of the steps
)
LARGEST = 1_000.0  # beyond it, a sign says no more

Row = Mapping[str, float]


def rounded(signs: Mapping[str, float | None]) -> dict[str, float]:
    """The signs that are defined, between -1,000 and 1,000, with four digits."""
    there = {name: value for name, value in signs.items() if value is not None and not math.isnan(value)}
    return {name: float(f"{min(max(value, -LARGEST), LARGEST):.4g}") for name, value in there.items()}


def log(value: float) -> float | None:
    """The natural logarithm, None where there is none."""
    return math.log(value) if value > 0 else None


def of_settings(learning_rate: float, hidden_size: int, depth: int, span: float) -> dict[str, float]:
    """The signs that settings and data are."""
    sizes = {"learning rate": learning_rate, "hidden size": hidden_size, "span": span}
    return rounded({name: log(value) for name, value in sizes.items()} | {"depth": float(depth)})


def of_look(row: Row, span: float, hidden_size: int) -> dict[str, float]:
    """The signs of what was seen of a net, as a row of its record names it."""
    keeping = {name.rpartition("/")[0] for name in row if name.endswith("/timescale_max")}

    def of(kind: str, choose: Callable[[list[float]], float] = max) -> float:
        group, statistic = kind.split("/")
        found = [
            value
            for name, value in row.items()
            if name.startswith(f"{group}/")
            and name.endswith(f"/{statistic}")
            and not (statistic == "sensitivity" and name.rpartition("/")[0] in keeping)
        ]
        return choose(found) if found else math.nan

    size = of("hidden/rms", statistics.fmean)
    one, quarter, every = (row.get(f"memory/loss_{name}", math.nan) for name in ("one", "quarter", "all"))
    return rounded(
        {
            "gradient through time": of("memory/rate") * span,
            "gradient through time, worst layer": of("memory/rate", min) * span,
            "reach of gradients": of("memory/reach") / span,
            "forgetting": of("memory/forgetting_rate") * span,
            "size of states": log(size),
            "saturated units": of("hidden/saturated"),
            "dead units": of("hidden/dead"),
            "dimensions of states": of("hidden/participation_ratio", min) / hidden_size,
            "growth of states": of("hidden/drift") * span / size if size else None,
            "insensitive gate": of("gate/sensitivity", min),
            "timescale of gates": log(of("gate/timescale_max") / span),
            "gain by all inputs": (one - every) / one if one else None,
            "gain by far inputs": (quarter - every) / one if one else None,
        }
    )


def of_steps(rows: Sequence[Row], first: Row, clip: float) -> dict[str, float]:
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


def of_losses(losses: Mapping[int, float], first: float) -> dict[str, float]:
    """The signs of validation losses, by the step after which each was measured, `first` being that before training."""
    last = max(losses)
    half = min(losses, key=lambda step: (abs(step - last / 2), step))
    start, middle, end = log(first), log(losses[half]), log(losses[last])
    if start is None or middle is None or end is None:
        return {}
    slope = (end - middle) / math.log(last / half) if half < last else None
    return rounded({"validation loss": end - start, "slope of the validation loss": slope})
