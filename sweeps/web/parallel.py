"""Parallel coordinates of a study's trials: a line for each, through all its settings, to its value."""

import math
from typing import Any

from rnnkit.core import wording
from sweeps.reading import Study, trial_in_words
from sweeps.web import charts


LOGARITHMIC = ("hidden_size", "learning_rate")


def parallel(study: Study) -> dict | None:
    """A line for each trial through its settings, coloured by its value, as the table below filters them."""
    trials = [(t, value) for t, value in charts.valued(study.trials) if t.settings]
    finished = [value for t, value in trials if t.state == "finished"]
    if len(finished) < 2:
        return None
    axes = [_Axis(name, [t.settings.get(name) for t, _ in trials]) for name in study.settings]
    axes.append(_Axis(study.metric, [value for _, value in trials]))
    low, high = min(finished), max(finished)
    traces = []
    for trial, value in trials:
        heights = [axis.height(trial.settings.get(axis.name)) for axis in axes[:-1]] + [axes[-1].height(value)]
        shade = (value - low) / (high - low) if high > low else 1.0
        shade = 1 - shade if study.lower_is_better else shade
        meta = {"shade": shade} if trial.state == "finished" else {"state": trial.state}
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": list(range(len(axes))),
                "y": heights,
                "connectgaps": True,
                "name": f"trial {trial.number}",
                "text": [charts.text(trial_in_words(trial))] * len(axes),
                "hovertemplate": "%{text}<extra></extra>",
                "hoveron": "points",
                "showlegend": False,
                "opacity": 0.85 if trial.state == "finished" else 0.35,
                "meta": {**meta, "trial": trial.number},
            }
        )
    traces.append(_scale(study, low, high))
    marks = [
        {"x": i, "y": height, "text": charts.text(label), "showarrow": False, "xanchor": "left", "xshift": 3}
        for i, axis in enumerate(axes)
        for label, height in axis.ticks()
    ]
    uprights = [
        {"type": "line", "x0": i, "x1": i, "y0": 0, "y1": 1, "layer": "below", "line": {"width": 1}}
        for i in range(len(axes))
    ]
    names = [charts.text(axis.name).replace("_", " ").replace(" ", "<br>") for axis in axes]
    places = {"tickvals": list(range(len(axes))), "ticktext": names, "range": [-0.1, len(axes) - 0.6]}
    return charts.figure(
        "parallel",
        "Settings and value of each trial (faint: not finished)",
        "setting, each on a scale of its own",
        "",
        traces,
        xaxis={**places, "zeroline": False, "tickangle": 0},
        yaxis={"visible": False, "range": [-0.06, 1.06]},
        annotations=marks,
        shapes=uprights,
        hovermode="closest",
        height=396,
        margin={"b": 68},  # below labels of two lines
        meta={"wide": True, "least": 88 * len(axes)},
    )


def _scale(study: Study, low: float, high: float) -> dict:
    """A trace without points, for its colour bar."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [None],
        "y": [None],
        "showlegend": False,
        "hoverinfo": "skip",
        "marker": {
            "color": [low],
            "cmin": low,
            "cmax": high,
            "colorscale": "Viridis",
            "reversescale": study.lower_is_better,
            "showscale": True,
            "colorbar": {"title": {"text": charts.text(study.metric), "side": "right"}, "thickness": 12},
        },
    }


class _Axis:
    """An upright of parallel coordinates: where a setting's values stand on it, from 0 to 1."""

    def __init__(self, name: str, values: list) -> None:
        self.name = name
        there = [value for value in values if value is not None]
        self.numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in there)
        self.few = sorted(set(there)) if self.numeric and len(set(there)) <= 4 else []
        self.log = self.numeric and name in LOGARITHMIC and all(v > 0 for v in there)
        if self.numeric:
            places = [self._place(v) for v in there]
            self.low, self.high = min(places), max(places)
        else:
            self.choices = sorted({wording.plain(v) for v in there})

    def _place(self, value: float) -> float:
        return math.log(value) if self.log else value

    def height(self, value: Any) -> float | None:
        """Where a value stands; None for a trial that has none."""
        if value is None:
            return None
        if not self.numeric:
            return self._of(self.choices.index(wording.plain(value)), 0, len(self.choices) - 1)
        return self._of(self._place(value), self.low, self.high)

    @staticmethod
    def _of(place: float, low: float, high: float) -> float:
        return (place - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[tuple[str, float]]:
        """Some values with their places."""
        if not self.numeric:
            return [(choice, self._of(i, 0, len(self.choices) - 1)) for i, choice in enumerate(self.choices)]
        if self.few:
            return [(f"{value:.3g}", self._of(self._place(value), self.low, self.high)) for value in self.few]
        return [(self._label(self.low + share * (self.high - self.low)), share) for share in (0, 0.25, 0.5, 0.75, 1)]

    def _label(self, place: float) -> str:
        return f"{math.exp(place) if self.log else place:.3g}"
