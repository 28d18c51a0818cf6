"""Flags in words: what in a run's record says that a recurrent network cannot learn, or does not.

Each rule has a number, a threshold, and a sentence of what to try. The thresholds are rules of thumb: they say where to
look, not that something is wrong. What is no illness is no flag: a forget gate that is open nearly always is a long
memory, and few dimensions may be all that a task needs.
"""

import itertools
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from rnnkit.runs.rows import Row


VANISHING = 1e-4  # of a gradient is left after the watched sequences' median length
EXPLODING = 10.0  # times as large it became
CLIPPED = 0.5, 100.0  # share of steps that are clipped, and by how much at their median
SATURATED = 0.4  # share of an RNN's units beyond +-0.95
INSENSITIVE = 0.1  # mean of 4 g (1 - g) of gates that do not keep the state
DEAD = 0.1  # share of units that hardly move, at three evaluations running
UNUSED = 0.01  # of what all inputs gain over one is gained beyond the last quarter
LEARNED = 0.5  # of the loss that one input leaves: who is below it has learned, whatever the memory looks like
# What experiments call their validation loss; the first that a record has is taken.
VALIDATION = (
    "loss/valid",
    "metric/loss/valid",
    "metric/bits_per_character/valid",
    "metric/nats_per_step/valid",
)
NEAR = 20  # rows whose mean training loss is compared: one batch's says little
OVERFITTED = 1.5  # times its lowest value the validation loss became while the training loss fell
GIVEN_BACK = 0.05  # of its first value it rose at least: from 1e-4 to 1e-2 a net that began at 0.7 is right throughout
FROZEN, HOT = 1e-5, 1e-2  # median size of an update relative to its weights

# What a flag can be called, the gravest first.
NAMES = (
    "diverged",
    "vanishing",
    "exploding",
    "saturated",
    "dead units",
    "unused memory",
    "overfitting",
    "frozen",
    "too hot",
)


@dataclass(frozen=True)
class Flag:
    """One thing to look at: `name`, `where` in the network, the number and its threshold, and what to try."""

    name: str
    where: str
    value: float
    threshold: float
    advice: str

    def __str__(self) -> str:
        at = f" ({self.where})" if self.where else ""
        value, threshold = float(self.value), float(self.threshold)
        return f"{self.name}{at}: {value:.3g}, threshold {threshold:g}. {self.advice}"


def judge(rows: list[Row], clip: float = 0.0, status: str = "finished") -> list[Flag]:
    """All flags of a run, from the rows of its record, its clipping threshold and how it ended."""
    rules = (_vanishing, _exploding, _saturated, _insensitive, _dead, _unused, _overfitting, _update)
    found = [*itertools.chain.from_iterable(rule(rows) for rule in rules), *_clipped(rows, clip)]
    if status == "diverged":
        loss = next((row["loss/train"] for row in reversed(rows) if "loss/train" in row), math.nan)
        found.insert(0, Flag("diverged", "", loss, math.inf, "Lower --learning-rate, or set --clip 1."))
    return found


def _last(rows: list[Row], group: str, statistic: str) -> dict[str, float]:
    """The last value of a statistic, by where in the network: `encoder.l0.f`, say."""
    return {
        name.removeprefix(f"{group}/").removesuffix(f"/{statistic}"): value
        for row in rows
        for name, value in row.items()
        if name.startswith(f"{group}/") and name.endswith(f"/{statistic}")
    }


def _carried(rows: list[Row], statistic: str) -> tuple[str, float]:
    """Of all layers and directions the one that carries gradients farthest, and what is left over the span of one."""
    rates = _last(rows, "memory", statistic)
    if not rates:
        return "", math.nan
    where = max(rates, key=rates.__getitem__)
    return where, math.exp(min(rates[where] * _span(rows), 700.0))


def _span(rows: list[Row]) -> float:
    """The median length of the watched sequences, NaN where none are."""
    return next((row["memory/span"] for row in rows if "memory/span" in row), math.nan)


def _vanishing(rows: list[Row]) -> Iterable[Flag]:
    where, left = _carried(rows, "rate")
    begins = "Hardly"
    if math.isnan(left) and not _fell(rows):
        where, left = _carried(rows, "initial_rate")
        begins = "Before training hardly"
    if left < VANISHING and not _learned(rows):
        advice = f"{begins} any gradient reaches the beginning of a sequence: try --init chrono, or ten times the "
        advice += "--learning-rate where it is below 0.003."
        yield Flag("vanishing", where, left, VANISHING, advice)


def _exploding(rows: list[Row]) -> Iterable[Flag]:
    for statistic in ("rate", "initial_rate"):
        where, left = _carried(rows, statistic)
        if left > EXPLODING:
            advice = "Gradients grow on their way through time: set --clip 1, or --init orthogonal."
            yield Flag("exploding", where, left, EXPLODING, advice)
            return


def _clipped(rows: list[Row], clip: float) -> Iterable[Flag]:
    norms = [row["grad_norm/total"] for row in rows if math.isfinite(row.get("grad_norm/total", math.nan))]
    if not clip or not norms:
        return
    share, factor = sum(norm > clip for norm in norms) / len(norms), statistics.median(norms) / clip
    if share > CLIPPED[0] and factor > CLIPPED[1]:
        advice = f"{share:.0%} of all steps are clipped, by this factor: lower --learning-rate, or raise --clip."
        yield Flag("exploding", "clipping", factor, CLIPPED[1], advice)


def _saturated(rows: list[Row]) -> Iterable[Flag]:
    gated = {name.split("/")[1] for row in rows for name in row if name.startswith("gate/")}
    for where, share in _last(rows, "hidden", "saturated").items():
        if where not in gated and share > SATURATED:
            advice = "These units pass no gradient on: lower --learning-rate, or scale the inputs down."
            yield Flag("saturated", where, share, SATURATED, advice)


def _insensitive(rows: list[Row]) -> Iterable[Flag]:
    keeping = _last(rows, "gate", "timescale_max")  # those that keep the state are open in any net that remembers
    for where, value in _last(rows, "gate", "sensitivity").items():
        if where not in keeping and value < INSENSITIVE:
            advice = "This gate is shut or open throughout, and passes no gradient on: lower --learning-rate."
            yield Flag("saturated", where, value, INSENSITIVE, advice)


def _dead(rows: list[Row]) -> Iterable[Flag]:
    looked = [row for row in rows if any(name.endswith("/dead") for name in row)][-3:]
    if len(looked) < 3:
        return
    for where in _last(looked, "hidden", "dead"):
        share = min(row.get(f"hidden/{where}/dead", 0.0) for row in looked)
        if share > DEAD:
            advice = "These units hardly move: a smaller --hidden-size would do, or another --seed or --init."
            yield Flag("dead units", where, share, DEAD, advice)


def _truncated(rows: list[Row]) -> tuple[float, float, float] | None:
    """The last losses with one input, with a quarter of them, and with all; None where they were not measured."""
    names = [f"memory/loss_{name}" for name in ("one", "quarter", "all")]
    row = next((row for row in reversed(rows) if all(name in row for name in names)), None)  # finite, all three
    return None if row is None else (row[names[0]], row[names[1]], row[names[2]])


def _learned(rows: list[Row]) -> bool:
    """Whether the net makes so much of what it remembers that fading gradients were no hindrance."""
    losses = _truncated(rows)
    return losses is not None and 0 <= losses[2] < LEARNED * losses[0]


def _unused(rows: list[Row]) -> Iterable[Flag]:
    losses = _truncated(rows)
    if losses is None or _span(rows) <= 1:  # of one step nothing is to be remembered
        return
    one, quarter, every = losses
    gain = one - every
    if gain <= UNUSED * abs(one):
        advice = "All inputs tell the net no more than the last one: it does not remember, or there is no need to."
        yield Flag("unused memory", "", gain / abs(one) if one else 0.0, UNUSED, advice)
    elif (quarter - every) / gain < UNUSED and not _learned(rows):
        advice = "Inputs farther back than a quarter of a sequence are not used: if they matter, try --init chrono."
        yield Flag("unused memory", "", (quarter - every) / gain, UNUSED, advice)


def _overfitting(rows: list[Row]) -> Iterable[Flag]:
    name = next((name for name in VALIDATION if any(name in row for row in rows)), "")
    looked = [i for i, row in enumerate(rows) if math.isfinite(row.get(name, math.nan))]
    if not looked:
        return
    best, last = min(looked, key=lambda i: rows[i][name]), looked[-1]
    lowest, now, near = rows[best][name], rows[last][name], min(NEAR, last - best)
    then, since = _training(rows[max(best + 1 - near, 0) : best + 1]), _training(rows[last + 1 - near : last + 1])
    rose = now >= OVERFITTED * lowest and now - lowest >= GIVEN_BACK * rows[looked[0]][name]
    if lowest > 0 and rose and since < then:
        advice = "Validation loss rose by this factor since its lowest while training loss fell: "
        advice += "set --patience, or try --dropout, a smaller --hidden-size or more data."
        yield Flag("overfitting", "", now / lowest, OVERFITTED, advice)


def _training(rows: list[Row]) -> float:
    """The mean training loss of rows, NaN where none has one."""
    losses = [row["loss/train"] for row in rows if "loss/train" in row]
    return statistics.fmean(losses) if losses else math.nan


def _fell(rows: list[Row]) -> bool:
    """Whether the training loss fell to half of what it was in the beginning: however its weights move, it learns."""
    return _training(rows[-NEAR:]) < LEARNED * _training(rows[:1])


def _update(rows: list[Row]) -> Iterable[Flag]:
    if _fell(rows):
        return
    ratios: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith("update/") and not name.endswith("/bias") and math.isfinite(value):
                ratios.setdefault(name.removeprefix("update/"), []).append(value)
    for where, values in ratios.items():
        median = statistics.median(values)
        if median < FROZEN:
            yield Flag("frozen", where, median, FROZEN, "These weights hardly change: raise --learning-rate.")
        elif median > HOT:
            yield Flag("too hot", where, median, HOT, "These weights change much at each step: lower --learning-rate.")


def before_training(row: Row) -> list[Flag]:
    """The flags of a network that has not been trained, from the row of what was seen of it."""
    return [flag for rule in (_vanishing, _exploding, _saturated, _insensitive) for flag in rule([row])]
