"""The charts of a run, section by section, and of several runs laid over each other."""

import contextlib
import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rnnkit.core import UserError
from rnnkit.runs import plots
from sweeps.reading import WHERE, Card, Columns, Drawn, RunIndex, Section, arranged, is_log
from sweeps.web import charts


STEP = "training step"
LAG = "lag %{x}, step %{customdata}: 10^%{z:.2f}<extra></extra>"
MOST_CURVES = 12  # in one chart of one run
MOST_LINES = 24  # in one chart of several runs
GREY = 6  # the colour of a legend's lines where colours stand for runs
LEAST = -8  # of log10 of a gradient: less is one colour


def of_run(index: RunIndex, name: str) -> list[tuple[Section, list[dict]]]:
    """Everything that a run logged, as charts by section, and the curves that it left."""
    columns = index.columns(name)
    sections = [
        (section, [chart(each, columns) for drawn in own for each in _readable(drawn)])
        for section, own in arranged(columns.series)
    ]
    curves = media_curves(index, name)
    for section, own in sections:
        if curves and section.title == "Memory":
            own[:0] = [*gradients_by_lag(curves), *truncation(curves)]
    return sections


def _readable(drawn: Drawn) -> Iterator[Drawn]:
    """A chart as it is, or by kind of number where its legend would be longer than one reads."""
    return _by_kind(drawn, 1) if len(drawn.curves) > MOST_CURVES else iter([drawn])


def chart(drawn: Drawn, columns: Columns) -> dict:
    """A chart of one run: a curve for each metric. Colours say where in the network, kinds of line say what."""
    looks = looks_of(list(drawn.curves))
    if len(drawn.curves) == 1:  # which has no legend; its key is the same, however many curves come
        drawn = replace(next(_one_by_one(drawn)), key=drawn.key)
    if all(len(columns.series[metric][0]) == 1 for metric in drawn.curves.values()):
        order = sorted(drawn.curves, key=looks.__getitem__)  # what belongs to one place stands together
        last = {name: columns.series[drawn.curves[name]][1][-1] for name in order}
        return _measured_once(drawn, last, [looks[name][0] for name in order], "measured")
    curves = drawn.curves.items()
    traces = [charts.line(name, *columns.series[metric], *looks[name], drawn.log) for name, metric in curves]
    return _over_steps(drawn, traces, showlegend=len(traces) > 1)


def _measured_once(drawn: Drawn, values: dict[str, float], hues: list[int], each: str) -> dict:
    """Bars where a curve would be a single point; `each` says what there is one for."""
    traces, layout = charts.bars(values, hues)
    return charts.figure(drawn.key, drawn.title, drawn.axis, each, traces, **layout)


def _over_steps(drawn: Drawn, traces: list[dict], showlegend: bool) -> dict:
    values = [value for trace in traces for value in trace["y"] if value is not None]
    log = is_log(drawn, values)
    axis: dict = {"rangemode": "nonnegative"} if not log and all(value >= 0 for value in values) else {}
    if not log and values and min(values) == max(values) > 0:
        axis = {"range": [0, 2 * values[0]]}
    if drawn.key.startswith("speed"):
        axis["tickformat"] = "~s"  # 65k, not 6.5 x 10^4
    return charts.figure(drawn.key, drawn.title, STEP, drawn.axis, traces, log=log, showlegend=showlegend, yaxis=axis)


def looks_of(names: list[str]) -> dict[str, tuple[int, int]]:
    """A colour and a kind of line for each curve: layer and direction choose the colour, what is left the line."""
    hues: dict[str, int] = {}
    dashes: dict[str, int] = {}
    looks = {}
    for name in names:
        where, kind = _place(name)
        hue = hues.setdefault(where, len(hues))
        looks[name] = hue, dashes.setdefault(kind, len(dashes)) if kind else 0
    return looks


def _place(name: str) -> tuple[str, str]:
    """A curve's layer and direction, and what of them it shows; of the whole net its name, and nothing."""
    place = re.match(WHERE, name)
    where = place[1] if place else name
    return where, name[len(where) :]


def media_curves(index: RunIndex, name: str) -> list[dict]:
    """What a run with `--observe full` saw at each evaluation, in order; what is damaged is left out."""
    by_evaluation = []
    for file, path in index.media(name).items():
        if re.fullmatch(r"curves-\d+\.json", file):
            with contextlib.suppress(UserError):
                by_evaluation.append(plots.told(index.read_json(path))[0])
    return [curves for curves in by_evaluation if "step" in curves]


def gradients_by_lag(curves: list[dict]) -> list[dict]:
    """A heat map for each layer and direction: what a gradient has left by lag, over training; of one look a curve."""
    maps = []
    look = {"type": "heatmap", "zmin": LEAST, "zmax": 1, "colorscale": "Cividis"}
    look |= {"colorbar": charts.colour_bar("log10"), "hovertemplate": LAG}
    for name in [name for name in curves[-1] if name.startswith("lag/")]:
        there = [at for at in curves if at.get(name)]
        steps = [str(at["step"]) for at in there]
        rows = [[_shade(value) for value in at[name]] for at in there]
        lags = list(range(max(map(len, rows), default=0)))
        said = [[step] * len(row) for step, row in zip(steps, rows, strict=True)]
        where = name.removeprefix("lag/")
        title = f"Gradient left k steps before the end: {where}"
        if len(rows) == 1:
            curve = {"type": "scatter", "mode": "lines", "x": lags, "y": rows[0], "meta": {"hue": 0, "dash": 0}}
            maps.append(charts.figure(f"lag-{where}", title, "lag k (steps)", "log10 of what is left", [curve]))
            continue
        heat = {**look, "z": rows, "x": lags, "y": list(range(len(steps))), "customdata": said}
        ticked = sorted({round(i * (len(steps) - 1) / 5) for i in range(6)} if steps else ())
        ticks = {"tickvals": ticked, "ticktext": [steps[i] for i in ticked]}
        maps.append(charts.figure(f"lag-{where}", title, "lag k (steps)", STEP, [heat], yaxis=ticks))
    return maps


def truncation(curves: list[dict]) -> list[dict]:
    """The loss by how many inputs the net reads: at the last step, or over all steps where each has a target."""
    traces = []
    for at in plots.first_and_last(curves):
        contexts, losses = at.get("truncation/contexts"), at.get("truncation/losses")
        if contexts and losses and all(map(math.isfinite, contexts)):
            traces.append(charts.line(f"step {at['step']}", contexts, [float(x) for x in losses], len(traces)))
    if not traces:
        return []
    read = sorted({context for trace in traces for context in trace["x"]})
    apart = [one for one, after in itertools.pairwise([*read, math.inf]) if after > 1.3 * one]  # not 32 on top of 33
    axis = {"type": "log", "tickvals": apart, "tickangle": 0}
    titles = "Loss by how many inputs are read", "inputs read (steps)", "loss"
    return [charts.figure("truncation", *titles, traces, xaxis=axis, showlegend=True)]


def _shade(value: Any) -> float | None:
    with contextlib.suppress(TypeError, ValueError):
        value = float(value)
        return max(math.log10(value), LEAST) if value > 0 and math.isfinite(value) else LEAST
    return None


def compared(index: RunIndex, cards: list[Card]) -> list[tuple[Section, list[dict]]]:
    """Several runs laid over each other: a colour for each run, and for each layer and direction a kind of line.

    Where these would be too many lines for one chart, each metric has its own.
    """
    columns = {card.name: index.columns(card.name) for card in cards}
    metrics = dict.fromkeys(metric for own in columns.values() for metric in own.series)
    names = labels(cards)
    return [
        (section, [_overlaid(each, columns, names) for several in own for each in _by_kind(several, len(cards))])
        for section, own in arranged(metrics)
    ]


def _one_by_one(drawn: Drawn) -> Iterator[Drawn]:
    for name, metric in drawn.curves.items():
        title = drawn.title if drawn.title.lower().endswith(name.lower()) else f"{drawn.title}: {name}"
        yield replace(drawn, key=metric, title=title, curves={name: metric})


def _by_kind(drawn: Drawn, runs: int) -> Iterator[Drawn]:
    """A chart for each kind of number, as `ih` and `hh`, with the layers and directions that have it."""
    kinds: dict[str, dict[str, str]] = {}
    for name, metric in drawn.curves.items():
        where, kind = _place(name)
        kinds.setdefault(kind, {})[where] = metric
    for kind, curves in kinds.items():
        if len(curves) == 1 or len(curves) * runs > MOST_LINES:
            yield from (each for each in _one_by_one(drawn) if each.key in curves.values())
        else:
            title = f"{drawn.title}: {kind.strip(' /')}" if kind else drawn.title
            yield replace(drawn, key=next(iter(curves.values())), title=title, curves=curves)


def _overlaid(drawn: Drawn, columns: dict[str, Columns], names: dict[str, str]) -> dict:
    there = [
        (run, where, hue, dash, own.series[metric])
        for hue, (run, own) in enumerate(columns.items())
        for dash, (where, metric) in enumerate(drawn.curves.items())
        if metric in own.series
    ]
    several = len(drawn.curves) > 1
    if all(len(steps) == 1 for *_, (steps, _) in there):
        last = {f"{run}, {where}" if several else run: values[-1] for run, where, _, _, (_, values) in there}
        figure = _measured_once(drawn, last, [hue for _, _, hue, _, _ in there], "run")
        marks: list[dict] = []
    else:
        traces = [charts.line(names[run], *curve, hue, dash, drawn.log) for run, _, hue, dash, curve in there]
        marks = (
            [charts.line(where, [None], [math.nan], GREY, dash) for dash, where in enumerate(drawn.curves)]
            if several
            else []
        )
        figure = _over_steps(drawn, traces, showlegend=several)  # which run it is stands above all charts
    for trace, (_, where, hue, _, _) in zip(figure["data"], there, strict=True):
        trace["meta"]["run"] = hue
        trace |= {"legendgroup": charts.text(where), "showlegend": False}
    figure["data"] += [{**mark, "legendgroup": mark["name"], "mode": "lines"} for mark in marks]
    return figure


def differing(cards: list[Card]) -> list[str]:
    """The settings in which runs differ."""
    names = dict.fromkeys(name for card in cards for name in card.config)
    return [name for name in names if len({json.dumps(card.config.get(name)) for card in cards}) > 1]


def labels(cards: list[Card]) -> dict[str, str]:
    """Runs named by what sets them apart, where that is little, and the end of their names."""
    apart = differing(cards)[:3]
    names = {}
    for card in cards:
        settings = ", ".join(f"{name.replace('_', ' ')} {card.config.get(name)}" for name in apart)
        names[card.name] = f"{card.name} ({settings})" if settings else card.name
    return names
