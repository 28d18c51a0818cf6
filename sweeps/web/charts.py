"""Charts as Plotly takes them: plain dictionaries, without colours, which the page has for light and dark.

A trace's `meta` says what it is to look like: `hue` and `dash` number a colour and a kind of line, `state` names what a
run or trial is. Names come from files, and Plotly reads tags in text: `text` makes them plain.
"""

import math
from collections.abc import Iterable, Sequence

from sweeps.reading import Trial, thinned


FEW = 40  # points; a curve of fewer shows each


def text(value: object) -> str:
    """A text that Plotly shows as it is, tags and all."""
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def number(value: float | None) -> float | None:
    """A number as JSON can hold it: None, which is a gap, for what is not finite."""
    return value if value is not None and math.isfinite(value) else None


def valued(trials: Iterable[Trial]) -> list[tuple[Trial, float]]:
    """The trials that have a value that can be drawn, each with it."""
    return [(trial, trial.value) for trial in trials if trial.value is not None and math.isfinite(trial.value)]


def figure(key: str, title: str, x: str, y: str, data: list[dict], *, log: bool = False, **layout) -> dict:
    """A chart: its key on the page, title, the titles of its axes with units, and its traces."""
    vertical = {"title": {"text": text(y)}, **({"type": "log"} if log else {}), **layout.pop("yaxis", {})}
    horizontal = {"title": {"text": text(x)}, **layout.pop("xaxis", {})}
    titled = {"title": {"text": text(title)}, "xaxis": horizontal, "yaxis": vertical}
    return {"key": key, "name": title, "data": data, "layout": {**titled, **layout}}


def whole(numbers: Iterable[int]) -> dict:
    """What the layout of an axis of whole numbers needs: no ticks between them, as 1.5, where there are few."""
    there = list(numbers)
    return {"dtick": 1} if there and max(there) - min(there) < 10 else {}


def line(name: str, x: Sequence, y: Sequence[float], hue: int = 0, dash: int = 0, log: bool = False) -> dict:
    """A curve, thinned to what a screen shows; on a logarithmic axis what is not above 0 is a gap."""
    x, y = thinned(list(x), list(y))
    shown = [number(value) if value > 0 or not log else None for value in y]
    mode, meta = "lines+markers" if len(x) < FEW else "lines", {"hue": hue, "dash": dash}
    return {"type": "scatter", "mode": mode, "name": text(name), "x": x, "y": shown, "meta": meta}


def bars(values: dict[str, float], hues: Iterable[int]) -> tuple[list[dict], dict]:
    """A bar for each number, by name, with its value beside it; and what its chart's layout needs for them."""
    look = {"type": "bar", "orientation": "h", "textposition": "auto", "cliponaxis": False}
    look["hovertemplate"] = "%{y}: %{x}<extra></extra>"
    traces = []
    for (name, value), hue in zip(values.items(), hues, strict=True):
        label = text(name if math.isfinite(value) else f"{name}: {value}")
        traces.append({**look, "x": [number(value)], "y": [label], "text": [f"{value:.3g}"], "meta": {"hue": hue}})
    sizes = {"bargap": 0.6 if len(values) < 5 else 0.25, "height": max(310, 120 + 19 * len(values))}
    return traces, {"yaxis": {"type": "category", "autorange": "reversed"}, "barmode": "overlay", **sizes}


def points(name: str, x: Sequence, y: Sequence, hover: Iterable[str], **meta) -> dict:
    """Single points; `hover` is what is said of each."""
    found = {"type": "scatter", "mode": "markers", "name": text(name), "x": list(x), "y": list(map(number, y))}
    return found | {"text": list(map(text, hover)), "hovertemplate": "%{text}<extra></extra>", "meta": meta}


def colour_bar(title: str) -> dict:
    """What stands beside a picture that shows numbers as colours."""
    return {"title": {"text": text(title), "side": "right"}, "thickness": 12}
