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


def line(name: str, x: Sequence, y: Sequence[float], hue: int = 0, dash: int = 0, log: bool = False, **more) -> dict:
    """A curve, thinned to what a screen shows; on a logarithmic axis what is not above 0 is a gap."""
    x, y = thinned(list(x), list(y))
    shown = [number(value) if value > 0 or not log else None for value in y]
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(x) < FEW else "lines",
        "name": text(name),
        "x": x,
        "y": shown,
        "meta": {"hue": hue, "dash": dash},
        **more,
    }


def bars(values: dict[str, float], hues: Iterable[int]) -> tuple[list[dict], dict]:
    """A bar for each number, by name, with its value beside it; and what its chart's layout needs for them."""
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "x": [number(value)],
            "y": [text(name if math.isfinite(value) else f"{name}: {value}")],
            "text": [f"{value:.3g}"],
            "textposition": "auto",
            "cliponaxis": False,
            "hovertemplate": "%{y}: %{x}<extra></extra>",
            "meta": {"hue": hue},
        }
        for (name, value), hue in zip(values.items(), hues, strict=True)
    ]
    upright = {"type": "category", "autorange": "reversed"}
    height = max(310, 120 + 19 * len(values))
    return traces, {
        "yaxis": upright,
        "barmode": "overlay",
        "bargap": 0.6 if len(values) < 5 else 0.25,
        "height": height,
    }


def points(name: str, x: Sequence, y: Sequence, hover: Iterable[str], **meta) -> dict:
    """Single points; `hover` is what is said of each."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": text(name),
        "x": list(x),
        "y": [number(value) for value in y],
        "text": [text(words) for words in hover],
        "hovertemplate": "%{text}<extra></extra>",
        "meta": meta,
    }


def spread(count: int, most: int = 6) -> list[int]:
    """At most `most` of the places 0 to `count` - 1, evenly spread, for ticks."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
