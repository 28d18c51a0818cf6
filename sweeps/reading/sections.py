"""Which metrics are shown together, in which section, under which title and units: one list for all that shows runs."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from rnnkit.core import wording


@dataclass(frozen=True)
class Chart:
    """A chart of metrics over training steps.

    `pattern` matches the names of its metrics; what its groups catch names the curve. `apart` asks for a chart of its
    own for each value of the first group, which the title then names. `axis` is the title of the vertical axis.
    """

    key: str
    title: str
    pattern: str
    axis: str
    log: bool = False
    apart: bool = False

    def groups(self, metric: str) -> list[str] | None:
        """What the groups of its pattern catch of a metric, as far as they do; None where it shows another."""
        match = re.fullmatch(self.pattern, metric)
        return match and [group for group in match.groups() if group]


@dataclass(frozen=True)
class Section:
    """Charts under a heading, with a sentence of what to look for."""

    title: str
    says: str
    charts: tuple[Chart, ...]


LOGARITHMIC = ("hidden_size", "learning_rate")  # settings that are searched, and shown, by their logarithm
WIDE = 1e3  # how many times as large as its lowest the highest loss is that asks for a logarithmic axis
WHERE = r"([^/]+\.l\d+\.[fb])"  # module, layer and direction

_LEARNING = (
    Chart("loss", "Loss", r"loss/(.+)", "loss"),
    Chart("metric", "{}", r"metric/([^/]+)/(valid|test|train)", "{}", apart=True),
    Chart("learning-rate", "Learning rate", r"schedule/learning_rate", "learning rate"),
)
_GRADIENTS = (
    Chart("gradient", "Gradient norm before clipping", r"grad_norm/total", "norm of all gradients", True),
    Chart("clip", "Share of steps that are clipped", r"clip/fraction", "share of all steps so far"),
    Chart(
        "gradient-by-group",
        "Gradient norm before clipping, by group",
        r"grad_norm/(?!total)([^/]+(?:/(?:ih|hh|bias))?)",
        "norm of the group's gradient",
        True,
    ),
    Chart(
        "gradient-by-gate",
        "Gradient norm of recurrent weights, by gate",
        rf"grad_norm/{WHERE}/hh/(\w+)",
        "norm of the gate's gradient",
        True,
    ),
    Chart("update", "Size of an update beside its weights", r"update/(.+)", "update norm / weight norm", True),
    Chart("distance", "Distance from the initial weights", r"distance/(.+)", "norm of the change"),
)
_HIDDEN_STATE = (
    Chart("rms", "Size of hidden states", rf"hidden/{WHERE}/rms", "root mean square"),
    Chart("rms-spread", "Spread of their size over steps", rf"hidden/{WHERE}/rms_std", "standard deviation"),
    Chart("saturated", "Saturated units", rf"hidden/{WHERE}/saturated", "share of |h| > 0.95"),
    Chart("dead", "Units that hardly move", rf"hidden/{WHERE}/dead", "share of units"),
    Chart(
        "dimensions",
        "Dimensions that states fill",
        rf"hidden/{WHERE}/(participation_ratio|effective_rank|k90)",
        "dimensions",
    ),
    Chart("drift", "Growth of states along a sequence", rf"hidden/{WHERE}/drift", "change of norm per step"),
)
_GATES = (
    Chart(
        "timescale", "How long units remember", rf"gate/{WHERE}/(\w)/timescale_(median|max)", "timescale (steps)", True
    ),
    Chart("sensitivity", "Sensitivity of gates", rf"gate/{WHERE}/(\w)/sensitivity", "mean of 4 g (1 - g)"),
    Chart("shut", "Gates that are shut", rf"gate/{WHERE}/(\w)/left", "share below 0.1"),
    Chart("open", "Gates that are open", rf"gate/{WHERE}/(\w)/right", "share above 0.9"),
    Chart("gate-spread", "How much gates move", rf"gate/{WHERE}/(\w)/std", "standard deviation over steps"),
)
_MEMORY = (
    Chart("rate", "Growth of a gradient on its way back", rf"memory/{WHERE}/rate", "nats a step"),
    Chart("initial-rate", "Growth of a gradient before training", rf"memory/{WHERE}/initial_rate", "nats a step"),
    Chart("forgetting", "Growth of a small difference of states", rf"memory/{WHERE}/forgetting_rate", "nats a step"),
    Chart("horizon", "Horizon of gradients", rf"memory/{WHERE}/horizon", "steps until 1/e is left", True),
    Chart(
        "initial-horizon",
        "Horizon of gradients before training",
        rf"memory/{WHERE}/initial_horizon",
        "steps until 1/e is left",
        True,
    ),
    Chart("reach", "Reach of gradients", rf"memory/{WHERE}/(reach|mean_lag)", "lag (steps)"),
    Chart("context", "Loss when the net reads few inputs", r"memory/loss_(one|quarter|all)", "loss"),
    Chart("k95", "Inputs that the loss depends on", r"memory/(k95|span)", "steps"),
)
_SPEED = (Chart("speed", "{}", r"speed/(.+)", "{}", apart=True),)

SECTIONS = (
    Section("Learning", "Does the loss still fall, and does validation follow training?", _LEARNING),
    Section(
        "Gradients",
        "Norms of the parameters' gradients. They stay healthy while states vanish: see memory.",
        _GRADIENTS,
    ),
    Section(
        "Hidden state",
        "How large states are, how many units hit their bounds or never move, how many dimensions they fill.",
        _HIDDEN_STATE,
    ),
    Section(
        "Gates",
        "A gate that is shut or open throughout passes no gradient; the forget gate (z of a GRU) sets how long units "
        "remember.",
        _GATES,
    ),
    Section("Memory", "How far back gradients reach, and how much of the input the net makes use of.", _MEMORY),
    Section("Speed", "", _SPEED),
)

_UNITS = {"accuracy": "accuracy (share of right answers)", "macro_f1": "macro F1"}
_UNITS |= {"perplexity": "perplexity (per token)", "bits_per_character": "bits per character"}
_UNITS |= {"nats_per_step": "nats per step", "valid_steps_per_second": "valid steps / s"}


@dataclass(frozen=True)
class Drawn:
    """A chart with the metrics of a record that belong to it: their names by what their curves are called."""

    key: str
    title: str
    axis: str
    log: bool
    curves: dict[str, str]


def arranged(metrics: Iterable[str]) -> list[tuple[Section, list[Drawn]]]:
    """The sections with the charts that these metrics fill; what no chart shows comes last, so that nothing is lost."""
    left = list(dict.fromkeys(metrics))
    sections = []
    for section in SECTIONS:
        drawn: list[Drawn] = []
        for chart in section.charts:
            own = [metric for metric in left if chart.groups(metric) is not None]
            left = [metric for metric in left if metric not in own]
            drawn += _drawn(chart, own)
        if drawn:
            sections.append((section, drawn))
    if left:
        rest = [Drawn(f"other-{i}", metric, metric, False, {metric: metric}) for i, metric in enumerate(left)]
        sections.append((Section("Other", "", ()), rest))
    return sections


def is_log(drawn: Drawn, values: Iterable[float]) -> bool:
    """Whether its axis is logarithmic: also of a loss that spans much, whose highest would press all to the ground."""
    return drawn.log or (drawn.key.startswith("loss") and spans_much(values))


def spans_much(values: Iterable[float]) -> bool:
    """Whether values, all above 0, lie so far apart that a linear axis shows the highest alone."""
    there = [value for value in values if math.isfinite(value)]
    low = min(there, default=0)
    return low > 0 and max(there) > WIDE * low


def _drawn(chart: Chart, metrics: list[str]) -> list[Drawn]:
    by_first: dict[str, dict[str, str]] = {}  # of what is not drawn apart there is one chart, under ""
    for metric in metrics:
        caught = chart.groups(metric) or []
        first = caught[0] if chart.apart else ""
        name = wording.part(" ".join(caught[chart.apart :] or [first])) or chart.title.lower()
        by_first.setdefault(first, {})[name] = metric
    return [
        Drawn(
            "-".join(filter(None, [chart.key, first])),
            chart.title.format(wording.part(first).capitalize()),
            chart.axis.format(_UNITS.get(first, wording.part(first))),
            chart.log,
            curves,
        )
        for first, curves in by_first.items()
    ]
