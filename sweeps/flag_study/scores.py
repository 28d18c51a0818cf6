"""What the bank sees of a net beside the signs of every record: scores that others have published, and its flags."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnnkit import sequences
from rnnkit.diagnostics import dynamics, layer_inputs, monitor
from rnnkit.observation import LayerTrace
from rnnkit.runs import flags
from rnnkit.runs.foretelling import signs
from rnnkit.training import screening


# Of a net before training, beside these: scores that others have published, and how large a first step of
# Adam is beside the recurrent layers' weights (ln).
UNTRAINED = ("largest Lyapunov exponent", "mean of Lyapunov exponents", "hidden covariance", "size of first update")
NAMES = (*signs.SETTINGS, *UNTRAINED, *signs.LOOK, *signs.STEPS)
# Exponents are of one sequence and its first steps: more of them cost more than they tell.
EXPONENTS, EXPONENT_STEPS = 4, 64
SPAN = 100.0  # of the record that a look is made into: any will do, as signs count time in spans
JITTER = 1e-5  # what is added to eigenvalues before their logarithm


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
    published = signs.rounded(
        {
            "largest Lyapunov exponent": max((found[0].item() for found in exponents), default=None),
            "mean of Lyapunov exponents": max((found.mean().item() for found in exponents), default=None),
            "hidden covariance": sum(covariances) / len(covariances),
        }
    )
    return published | screening.of_first_update(model, rate)


def longest(trace: LayerTrace) -> Tensor:
    """What a layer and direction reads of its longest sequence, of shape (steps, features), in its own time."""
    owner, time = sequences.owners(trace.hidden), sequences.times(trace.hidden, trace.place.backward)
    rows = (owner == int(torch.bincount(owner).argmax())).nonzero().flatten()
    return trace.starts[0][rows[time[rows].argsort()]]


def raised(look: dict[str, float]) -> set[str]:
    """The names of the flags that a look raises, by the rules for records: the row that it would be is made of it."""
    through = look.get("gradient through time")
    known = {
        "memory/net/rate": None if through is None else through / SPAN,
        "hidden/net/saturated": look.get("saturated units"),
        "hidden/net/dead": look.get("dead units"),
        "gate/net/keeping/timescale_max": look.get("timescale of gates"),
        "gate/net/another/sensitivity": look.get("insensitive gate"),
    }
    row = {name: value for name, value in known.items() if value is not None} | {"memory/span": SPAN}
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
