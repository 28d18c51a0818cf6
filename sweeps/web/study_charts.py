"""The charts of a study: what its trials came to, and what of their settings these varied with."""

import itertools
import math
from datetime import datetime
from typing import Any

from rnnkit.core import wording
from sweeps.analysis import GridCell
from sweeps.reading import LOGARITHMIC, TRIAL_STATES, Study, Trial, trial_in_words
from sweeps.web import charts


LINE = {"type": "scatter", "mode": "lines", "connectgaps": True, "hovertemplate": "%{text}<extra></extra>"}
LINE |= {"hoveron": "points", "showlegend": False}


def of_study(study: Study) -> list[dict]:
    """All charts that the study's trials are enough for."""
    drawn = (history, plane, importances, reported, parallel, timeline)
    return [chart for chart in (draw(study) for draw in drawn) if chart is not None]


def history(study: Study) -> dict | None:
    """Each trial's value by its number, and the best so far."""
    traces = []
    for state in TRIAL_STATES:
        trials = charts.valued(study.of_state(state))
        if trials:
            numbers, values = [t.number for t, _ in trials], [value for _, value in trials]
            named = state if state == "finished" else f"{state} (its last value)"
            lines = [trial_in_words(trial) for trial, _ in trials]
            traces.append(charts.points(named, numbers, values, lines, state=state))
    without = [t for t in study.trials if charts.number(t.value) is None and t.state != "waiting"]
    if without:
        numbers, lines = [t.number for t in without], map(trial_in_words, without)
        low = charts.points("no value", numbers, [0.03] * len(without), lines, state="failed")
        traces.append(low | {"yaxis": "y2"})
    finished = charts.valued(sorted(study.of_state("finished"), key=lambda trial: trial.number))
    if finished:
        best = list(itertools.accumulate((value for _, value in finished), min if study.lower_is_better else max))
        line = charts.line("best trial so far", [trial.number for trial, _ in finished], best, hue=1)
        traces.append(line | {"mode": "lines", "line": {"shape": "hv"}})
    if not traces:
        return None
    hidden = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    axes = {"xaxis": charts.whole(trial.number for trial in study.trials), "yaxis2": hidden}
    return charts.figure("history", "History of trials", "trial", study.metric, traces, showlegend=True, **axes)


def plane(study: Study) -> dict | None:
    """A heat map of hidden size x depth."""
    cells = study.plane()
    if not any(cell.values for cell in cells):
        return None
    sizes = list(dict.fromkeys(cell.hidden_size for cell in cells))
    depths = list(dict.fromkeys(cell.depth for cell in cells))
    at = {(cell.hidden_size, cell.depth): cell for cell in cells}
    rows = [[at[size, depth] for depth in depths] for size in sizes]
    heat = {"type": "heatmap", "x": list(map(str, depths)), "y": list(map(str, sizes)), "xgap": 2, "ygap": 2}
    heat["z"] = [[charts.number(cell.value) for cell in row] for row in rows]
    heat["text"] = [[_cell(cell) for cell in row] for row in rows]
    heat |= {"texttemplate": "%{text}", "colorscale": "Cividis", "colorbar": charts.colour_bar(study.metric)}
    heat |= {"hovertemplate": "hidden size %{y}, depth %{x}<br>%{text}<extra></extra>"}
    heat["reversescale"] = study.lower_is_better
    mark = {"text": "not finished", "showarrow": False}
    missing = [{**mark, "x": str(c.depth), "y": str(c.hidden_size)} for c in cells if not c.values]
    title = "Hidden size and depth, other settings fixed (below: parameters)"
    category = {"type": "category"}
    axes = "depth (layers)", "hidden size (units)"
    return charts.figure("plane", title, *axes, [heat], annotations=missing, xaxis=category, yaxis=category)


def _cell(cell: GridCell) -> str:
    if not cell.values:
        return ""
    several = f" (mean of {len(cell.values)})" if len(cell.values) > 1 else ""
    count = f"<br>{cell.parameters:,}" if cell.parameters else ""
    return f"{wording.number(cell.value)}{several}{count}"


def importances(study: Study) -> dict | None:
    """How much of the spread of values each setting accounts for."""
    if not study.importances:
        return None
    order = sorted(study.importances.items(), key=lambda item: item[1])
    bars: dict = {"type": "bar", "orientation": "h", "meta": {"hue": 0}}
    bars["x"] = [max(share, 5e-4) for _, share in order]  # of a bar without any length no number is shown
    bars["y"] = [charts.text(name.replace("_", " ")) for name, _ in order]
    bars |= {"text": [f"{share:.2f}" for _, share in order], "hovertemplate": "%{y}: %{x:.3f}<extra></extra>"}
    titles = "What the value varied with (fANOVA over finished trials)", "importance (shares of 1)", "setting"
    return charts.figure("importances", *titles, [bars])


def reported(study: Study) -> dict | None:
    """What each trial reported as it went on."""
    traces, named = [], set()
    best = study.best
    for trial in [t for t in study.trials if t.reported]:
        is_best = best is not None and trial.number == best.number
        look, label = ("best", f"best (trial {trial.number})") if is_best else (trial.state, trial.state)
        trace = charts.line(label, list(trial.reported), list(trial.reported.values()))
        trace |= {"mode": "lines", "legendgroup": look, "showlegend": look not in named}
        trace |= {"meta": {"state": look, "trial": trial.number}, "opacity": 1.0 if is_best else 0.55}
        trace["text"] = [charts.text(trial_in_words(trial))] * len(trace["x"])
        traces.append({**trace, "hovertemplate": "%{text}<br>%{x}: %{y}<extra></extra>"})
        named.add(look)
    if not traces:
        return None
    traces.sort(key=lambda trace: trace["meta"]["state"] == "best")  # drawn last, on top
    titles = "What trials reported on their way", "epoch", study.metric
    epochs = charts.whole(epoch for trial in study.trials for epoch in trial.reported)
    return charts.figure("reported", *titles, traces, showlegend=True, xaxis=epochs)


def timeline(study: Study) -> dict | None:
    """When each trial ran, and on which worker: where that was not kept, a lane for each that ran side by side."""
    started = sorted(((t.start, t) for t in study.trials if t.start), key=lambda pair: pair[0])
    if not started:
        return None
    latest = max([t.end for _, t in started if t.end] + [start for start, _ in started])
    now = datetime.now(latest.tzinfo) if study.live else latest
    first, traces = started[0][0], {}
    lanes = lanes_of([trial for _, trial in started], now)
    for start, trial in started:
        seconds = max(((trial.end or now) - start).total_seconds(), 0.0)
        bars = traces.setdefault(trial.state, _bars(trial.state))
        bars["base"].append((start - first).total_seconds())
        bars["x"].append(seconds)
        bars["y"].append(charts.text(lanes[trial.number]))
        bars["text"].append(str(trial.number))
        bars["customdata"].append(f"{charts.text(trial_in_words(trial))}<br>{seconds:.1f} s")
    order = [charts.text(lane) for lane in sorted(set(lanes.values()), key=int)]
    titles = "When trials ran", f"seconds since {first:%Y-%m-%d %H:%M:%S} UTC", "worker"
    axis = {"type": "category", "categoryorder": "array", "categoryarray": order, "autorange": "reversed"}
    layout = {"yaxis": axis, "meta": {"wide": True}, "barmode": "overlay", "showlegend": True}
    return charts.figure("timeline", *titles, list(traces.values()), **layout)


def lanes_of(trials: list[Trial], now: datetime) -> dict[int, str]:
    """Which lane of the timeline each trial stands in, by its number: its worker's, or the first that is free."""
    if all(trial.worker for trial in trials):
        workers = list(dict.fromkeys(trial.worker for trial in trials))
        return {trial.number: str(workers.index(trial.worker) + 1) for trial in trials}
    free: list[datetime] = []
    lanes = {}
    for trial in trials:
        lane = next((i for i, since in enumerate(free) if since <= (trial.start or now)), len(free))
        free[lane : lane + 1] = [trial.end or now]
        lanes[trial.number] = str(lane + 1)
    return lanes


def _bars(state: str) -> dict:
    bars = {"type": "bar", "orientation": "h", "name": state, "meta": {"state": state}}
    bars |= {"textposition": "inside", "insidetextanchor": "middle", "hovertemplate": "%{customdata}<extra></extra>"}
    return bars | {key: [] for key in ("base", "x", "y", "text", "customdata")}


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
    titles = "Settings and value of each trial (faint: not finished)", "setting, each on a scale of its own", ""
    layout: dict = {"annotations": marks, "shapes": [{**upright, "x0": i, "x1": i} for i in range(len(axes))]}
    layout |= {"xaxis": {**places, "zeroline": False, "tickangle": 0}}
    layout |= {"yaxis": {"visible": False, "range": [-0.06, 1.06]}, "hovermode": "closest", "height": 396}
    layout |= {"margin": {"b": 68}, "meta": {"wide": True, "least": 88 * len(axes)}}  # labels of two lines below
    return charts.figure("parallel", *titles, traces, **layout)


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
