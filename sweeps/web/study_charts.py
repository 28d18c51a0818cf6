"""The charts of a study: what its trials came to, and what of their settings mattered."""

import itertools
from datetime import datetime

from sweeps.analysis import GridCell
from sweeps.reading import TRIAL_STATES, Study, Trial, answers, trial_in_words
from sweeps.web import charts
from sweeps.web.parallel import parallel


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
        line = charts.line("best so far", [trial.number for trial, _ in finished], best, hue=1)
        traces.append(line | {"mode": "lines", "line": {"shape": "hv"}})
    if not traces:
        return None
    hidden = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    return charts.figure("history", "History of trials", "trial", study.metric, traces, showlegend=True, yaxis2=hidden)


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
    missing = [
        {"x": str(cell.depth), "y": str(cell.hidden_size), "text": "not finished", "showarrow": False}
        for cell in cells
        if not cell.values
    ]
    title = "Hidden size and depth, other settings fixed (below: parameters)"
    category = {"type": "category"}
    axes = "depth (layers)", "hidden size (units)"
    return charts.figure("plane", title, *axes, [heat], annotations=missing, xaxis=category, yaxis=category)


def _cell(cell: GridCell) -> str:
    if not cell.values:
        return ""
    several = f" (mean of {len(cell.values)})" if len(cell.values) > 1 else ""
    count = f"<br>{cell.parameters:,}" if cell.parameters else ""
    return f"{cell.value:.4f}{several}{count}"


def importances(study: Study) -> dict | None:
    """How much of the spread of values each setting accounts for."""
    if not study.importances:
        return None
    order = sorted(study.importances.items(), key=lambda item: item[1])
    bars: dict = {"type": "bar", "orientation": "h", "meta": {"hue": 0}}
    bars["x"] = [max(share, 5e-4) for _, share in order]  # of a bar without any length no number is shown
    bars["y"] = [charts.text(name.replace("_", " ")) for name, _ in order]
    bars |= {"text": [f"{share:.2f}" for _, share in order], "hovertemplate": "%{y}: %{x:.3f}<extra></extra>"}
    titles = "What mattered (fANOVA over finished trials)", "importance (shares of 1)", "setting"
    return charts.figure("importances", *titles, [bars])


def reported(study: Study) -> dict | None:
    """What each trial reported as it went on."""
    traces, named = [], set()
    best = answers.chosen(study)
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
    return charts.figure("reported", *titles, traces, showlegend=True)


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
