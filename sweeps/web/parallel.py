"""Parallel coordinates of a study's trials: a line for each, through all its settings, to its value."""

import math
from typing import Any

from rnnkit.core import wording
from sweeps.reading import Study, trial_in_words
from sweeps.web import charts


LOGARITHMIC = ("hidden_size", "learning_rate")
LINE = {"type": "scatter", "mode": "lines", "connectgaps": True, "hovertemplate": "%{text}<extra></extra>"}
LINE |= {"hoveron": "points", "showlegend": False}


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
        said = [charts.text(trial_in_words(trial))] * len(axes)
        line = {"x": list(range(len(axes))), "y": heights, "text": said, "meta": {**meta, "trial": trial.number}}
        line |= {"name": f"trial {trial.number}", "opacity": 0.85 if trial.state == "finished" else 0.35}
        traces.append({**LINE, **line})
    colours = {"color": [low], "cmin": low, "cmax": high, "colorscale": "Viridis", "showscale": True}
    colours |= {"reversescale": study.lower_is_better, "colorbar": charts.colour_bar(study.metric)}
    scale = {"type": "scatter", "mode": "markers", "x": [None], "y": [None]}  # without points, for its colour bar
    traces.append({**scale, "showlegend": False, "hoverinfo": "skip", "marker": colours})
    marks = [
        {"x": i, "y": height, "text": charts.text(label), "showarrow": False, "xanchor": "left", "xshift": 3}
        for i, axis in enumerate(axes)
        for label, height in axis.ticks()
    ]
    upright = {"type": "line", "y0": 0, "y1": 1, "layer": "below", "line": {"width": 1}}
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
        shapes=[{**upright, "x0": i, "x1": i} for i in range(len(axes))],
        hovermode="closest",
        height=396,
        margin={"b": 68},  # below labels of two lines
        meta={"wide": True, "least": 88 * len(axes)},
    )


class _Axis:
    """An upright of parallel coordinates: where a setting's values stand on it, from 0 to 1."""

    def __init__(self, name: str, values: list) -> None:
        self.name = name
        there = [value for value in values if value is not None]
        self.numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in there)
        self.log = self.numeric and name in LOGARITHMIC and all(v > 0 for v in there)
        self.choices = [] if self.numeric else sorted({wording.plain(v) for v in there})
        self.few = sorted(set(there)) if self.numeric and len(set(there)) <= 4 else self.choices
        places = [self._place(value) for value in there]
        self.low, self.high = min(places), max(places)

    def _place(self, value: Any) -> float:
        if not self.numeric:
            return self.choices.index(wording.plain(value))
        return math.log(value) if self.log else value

    def height(self, value: Any) -> float | None:
        """Where a value stands; None for a trial that has none."""
        if value is None:
            return None
        return (self._place(value) - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def ticks(self) -> list[tuple[str, float | None]]:
        """Some values with their places."""
        if self.few:
            return [(f"{value:.3g}" if self.numeric else value, self.height(value)) for value in self.few]
        places = [(self.low + share * (self.high - self.low), share) for share in (0, 0.25, 0.5, 0.75, 1)]
        return [(f"{math.exp(place) if self.log else place:.3g}", share) for place, share in places]
