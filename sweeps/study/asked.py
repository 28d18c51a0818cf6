"""What a command line says of a search space: `hidden_size=8..128`, `cell=lstm,gru`, and a grid of such choices."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rnnkit.core import BaseConfig, UserError, cells, wording
from rnnkit.training import Range, Space


Asked = dict[str, Range | tuple[Any, ...]]
Values = dict[str, Any]

_SUCH = {"--space": "hidden_size=8..128 or cell=gru,lstm", "--grid": "hidden_size=16,32 or cell=gru,lstm"}
YES, NO = ("true", "yes", "1"), ("false", "no", "0")


def ranges(words: Sequence[str], base: BaseConfig) -> Asked:
    """The range or choices that each word of --space names, by setting. Raises `UserError` for what is none.

    A range is logarithmic where its high end is ten times its low one.
    """
    found: Asked = {}
    for name, kind, text in _named(words, base, "--space"):
        ends = ".." in text
        found[name] = _range(name, kind, text) if ends else _choices(name, kind, text, "--space")
    return found


def choices(words: Sequence[str], base: BaseConfig) -> dict[str, tuple[Any, ...]]:
    """The values that each word of --grid names, by setting. Raises `UserError` for what is none."""
    found: dict[str, tuple[Any, ...]] = {}
    for name, kind, text in _named(words, base, "--grid"):
        if ".." in text:
            raise UserError(f"--grid {name}={text}: a grid needs each value, as in {name}=16,32,64")
        found[name] = _choices(name, kind, text, "--grid")
    return found


def _named(words: Sequence[str], base: BaseConfig, option: str) -> Iterator[tuple[str, Any, str]]:
    """Each word's setting, the type of that, and what is said of it."""
    seen: set[str] = set()
    for word in words:
        name, _, text = word.partition("=")
        name = name.replace("-", "_")
        if not text:
            raise UserError(f"{option} takes words such as {_SUCH[option]}, not {word!r}")
        if name in seen:
            raise UserError(f"{option} names {name} twice: give all of its values at once")
        seen.add(name)
        yield name, _kind(name, base, option), text


def _choices(name: str, kind: Any, text: str, option: str) -> tuple[Any, ...]:
    read = tuple(_value(name, kind, part, option) for part in text.split(","))
    if len(set(read)) < len(read):
        raise UserError(f"{option} {name}={text} names a value twice")
    return read


def _kind(name: str, base: BaseConfig, option: str) -> Any:
    """The type of a setting of the experiment that can be varied."""
    fields = {field.name: field for field in dataclasses.fields(base)}
    if name == "seed":
        raise UserError(f"{option} cannot vary the seed: every trial has one of its own; --seeds says how many")
    if name not in fields or any(fields[name].metadata.get(kept) for kept in ("placement", "watching")):
        close = wording.meant(name, [known for known in fields if known != "seed"])
        raise UserError(f"{option}: {base.experiment} has no setting {name!r} to vary{close or ''}".rstrip(":"))
    return get_type_hints(type(base))[name]


def _value(name: str, kind: Any, text: str, option: str) -> Any:
    if kind is cells.CellName:
        cells.require(text)
        return text
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise UserError(f"{option} {name}={text}: choose among {', '.join(map(str, get_args(kind)))}")
        return text
    if kind is bool:
        if text.lower() not in YES + NO:
            raise UserError(f"{option} {name}={text}: say true or false")
        return text.lower() in YES
    try:
        value = kind(text) if kind in (int, float) else text
    except ValueError:
        raise UserError(f"{option} {name}={text}: it takes {_WHAT[kind]}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{option} {name}={text}: it takes {_WHAT[kind]}")
    return value


_WHAT = {int: "whole numbers", float: "finite numbers"}


def _range(name: str, kind: Any, text: str, option: str = "--space") -> Range:
    if kind not in (int, float):
        raise UserError(f"{option} {name}={text}: {name} has choices, not a range: give them as {name}=one,other")
    low, high = (_value(name, kind, end, option) for end in text.split("..", 1))
    if low >= high:
        raise UserError(f"{option} {name}={text}: the first number must be the lower one")
    return Range(low, high, log=low > 0 and high >= 10 * low)


def grid(chosen: dict[str, tuple[Any, ...]], base: BaseConfig) -> tuple[list[Values], list[str]]:
    """All points of a grid that can be configurations, and why others cannot. Raises `UserError` where none can."""
    points: list[Values] = []
    wrong: dict[str, int] = {}
    for values in itertools.product(*chosen.values()):
        point = dict(zip(chosen, values, strict=True))
        try:
            base.changed(**point)
        except UserError as error:
            wrong[str(error)] = wrong.get(str(error), 0) + 1
        else:
            points.append(point)
    if not points:
        raise UserError(f"--grid has no valid point: {next(iter(wrong))}")
    return points, [f"left out of the grid: {wording.count(n, 'point')} ({why})" for why, n in wrong.items()]


def space(known: Space, asked: Asked, base: BaseConfig) -> Space:
    """The search space of an experiment with the ranges and choices that were asked for.

    Raises `UserError` for ends and choices that the settings cannot have.
    """
    searched = known.searching(asked).completed(base)
    for name, values in asked.items():
        least = {"depth": 2} if name == "dropout" else {}
        for value in values if isinstance(values, tuple) else (values.low, values.high):
            base.changed(**{**least, name: value})
    return searched


def of_size(points: list[Values], size: int, base: BaseConfig, count: Callable[[BaseConfig], int]) -> list[Values]:
    """Each point with the hidden size with which a net has the number of parameters nearest to `size`.

    `count` gives the parameters of a configuration. Raises `UserError` where even one unit takes more by a tenth.
    """

    def nearest(point: Values, parameters: Callable[[int], int]) -> int:
        hidden, tried = 16, set[int]()
        while hidden not in tried:  # each count makes a net: few are tried, as it grows about as a square
            tried.add(hidden)
            hidden = max(1, round(hidden * math.sqrt(size / parameters(hidden))))
        while parameters(hidden) < size:
            hidden += 1
        while hidden > 1 and parameters(hidden - 1) >= size:
            hidden -= 1
        if hidden == 1 and (least := parameters(1)) > 1.1 * size:
            raise UserError(f"--parameters {size:,} is too few for {wording.settings(point)}: one unit has {least:,}")
        return min((each for each in (hidden - 1, hidden) if each), key=lambda each: abs(parameters(each) - size))

    def counted(point: Values) -> Callable[[int], int]:
        return functools.cache(lambda hidden: count(base.changed(**point, hidden_size=hidden)))

    return [point | {"hidden_size": nearest(point, counted(point))} for point in points]
