"""Records read into dataclasses: what does not fit its field is named and left out, wherever the record came from."""

import dataclasses
import functools
import math
import reprlib
import types
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from rnnkit.core.errors import UserError


T = TypeVar("T")


def _is_moment(text: str) -> bool:
    try:
        return 1970 <= datetime.fromisoformat(text).year < 3000
    except ValueError:
        return False


# A span of time in seconds, and a moment in ISO format, such as something here could have taken or happened at.
Seconds = Annotated[float, lambda value: 0 <= value < 1e10]
Moment = Annotated[str, _is_moment]

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
ADVICE = "put back a copy of it, or read it with the version that wrote it"


# Of a value, the name of its place and the list of what does not fit.
Reader = Callable[[Any, str, list[str]], Any]


class _Misfit(Exception):
    """A value is none of its field's kind."""


def read(kind: type[T], values: object) -> tuple[T | None, list[str]]:
    """A dataclass from what JSON holds, and in words what does not fit it: `seed is 'x'`.

    A field that is not there, or does not fit, has its default, and an entry of a list or of names that does not fit is
    left out. It is None where a field without a default is lacking. Names that `kind` does not know are passed over.
    """
    damage: list[str] = []
    try:
        return _reader(kind)(values, "", damage), damage
    except _Misfit:
        return None, damage


def require_sound(damage: list[str], path: Path) -> None:
    """Raise `UserError`, with the first line of `damage`, if there is one."""
    if damage:
        raise UserError(f"{path} is damaged: its {damage[0]}; {ADVICE}")


@functools.cache
def _reader(kind: Any) -> Reader:
    """What reads a value as one of `kind`; made once for each kind, since to take a type apart is slow.

    It raises `_Misfit` where the value is none, with a line more in `damage`.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        plain, holds = _reader(parts[0]), parts[1]
        return lambda value, name, damage: _if(holds(found := plain(value, name, damage)), found, name, damage)
    if origin in (Union, types.UnionType):
        readers = [_reader(part) for part in parts if part is not types.NoneType]
        return functools.partial(_first_of, readers, types.NoneType in parts)
    if origin is Literal:
        allowed = {(type(part), part) for part in parts}
        return lambda value, name, damage: _if(_is_among(value, allowed), value, name, damage)
    if origin in (list, tuple):
        return functools.partial(_entries, _reader(parts[0]), origin)
    if origin is dict:
        return functools.partial(_by_name, _reader(parts[1]), parts[1])
    if dataclasses.is_dataclass(kind):
        known = cast("type[Any]", kind)
        return functools.partial(_record, known, _fields(known))
    return functools.partial(_plain, cast("Callable[[Any], Any]", _PLAIN.get(kind, kind)))  # else it is an Enum


@dataclasses.dataclass(frozen=True)
class _Field:
    """A field of a dataclass as it is read."""

    name: str
    read: Reader
    has_default: bool


def _fields(kind: type[Any]) -> list[_Field]:
    hints, missing = get_type_hints(kind, include_extras=True), dataclasses.MISSING
    return [
        _Field(field.name, _reader(hints[field.name]), not (field.default is missing is field.default_factory))
        for field in dataclasses.fields(kind)
    ]


def _record(kind: Callable[..., Any], fields: list[_Field], values: Any, name: str, damage: list[str]) -> Any:
    if not isinstance(values, dict):
        raise _refused(values, name or "whole", damage)
    known, lacks = cast("dict[str, Any]", values), False
    found: dict[str, Any] = {}
    for field in fields:
        place = f"{name}.{field.name}" if name else field.name
        if field.name in known:
            try:
                found[field.name] = field.read(known[field.name], place, damage)
                continue
            except _Misfit:
                lacks |= not field.has_default
        elif not field.has_default:
            damage.append(f"{place} is not there")
            lacks = True
    if lacks:
        raise _Misfit
    return kind(**found)


def _plain(make: Callable[[Any], Any], value: Any, name: str, damage: list[str]) -> Any:
    try:
        return make(value)
    except (ValueError, TypeError, OverflowError):
        raise _refused(value, name, damage) from None


def _entries(read_one: Reader, kind: type, value: Any, name: str, damage: list[str]) -> Any:
    """What fits of the entries of a list."""
    if not isinstance(value, list):
        raise _refused(value, name, damage)
    members = enumerate(cast("list[Any]", value))
    return kind(_members(read_one, ((f"{name}[{i}]", i, one) for i, one in members), damage).values())


def _by_name(read_one: Reader, kind: Any, value: Any, name: str, damage: list[str]) -> dict[str, Any]:
    """What fits of the entries of a dictionary, whose values are to be of `kind`."""
    if not isinstance(value, dict):
        raise _refused(value, name, damage)
    known = cast("dict[str, Any]", value)
    if kind is Any or all(type(one) is kind for one in known.values()):  # a hundred metrics, say: as they are
        return dict(known)
    return _members(read_one, ((f"{name}.{key}", key, one) for key, one in known.items()), damage)


def _members(read_one: Reader, members: Iterable[tuple[str, Any, Any]], damage: list[str]) -> dict[Any, Any]:
    """What fits of the entries of a list or of names, by index or name."""
    found: dict[Any, Any] = {}
    for place, key, value in members:
        try:
            found[key] = read_one(value, place, damage)
        except _Misfit:
            continue  # it is in `damage`
    return found


def _first_of(readers: list[Reader], or_none: bool, value: Any, name: str, damage: list[str]) -> Any:
    if value is None and or_none:
        return None
    for read_one in readers[:-1]:
        try:
            return read_one(value, name, [])
        except _Misfit:
            continue
    return readers[-1](value, name, damage)


def _is_among(value: Any, allowed: set[tuple[type, Any]]) -> bool:
    try:
        return (type(value), value) in allowed
    except TypeError:  # a list, say
        return False


def _if(holds: bool, value: Any, name: str, damage: list[str]) -> Any:
    if not holds:
        raise _refused(value, name, damage)
    return value


def _refused(value: Any, name: str, damage: list[str]) -> _Misfit:
    damage.append(f"{name} is {reprlib.repr(value)}")
    return _Misfit()


def _exactly(kind: type) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return checked


def _number(value: Any) -> float:
    """A float as `files.encode` writes it."""
    if isinstance(value, str):
        return _NON_FINITE[value] if value in _NON_FINITE else _exactly(float)(value)
    if isinstance(value, bool):
        raise TypeError
    return float(value)


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    Any: lambda value: value,
    float: _number,
    Path: lambda value: value if isinstance(value, Path) else Path(_exactly(str)(value)),
} | {kind: _exactly(kind) for kind in (str, int, bool)}
