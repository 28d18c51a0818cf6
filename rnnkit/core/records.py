"""Records read into dataclasses: what does not fit its field is named and left out, wherever the record came from."""

import dataclasses
import math
import reprlib
import types
from collections.abc import Callable
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


class _Misfit(Exception):
    """A value is none of its field's kind."""


def read(kind: type[T], values: object) -> tuple[T | None, list[str]]:
    """A dataclass from what JSON holds, and in words what does not fit it: `seed is 'x'`.

    A field that is not there, or does not fit, has its default, and an entry of a list or of names that does not fit is
    left out. It is None where a field without a default is lacking. Names that `kind` does not know are passed over.
    """
    damage: list[str] = []
    try:
        return _record(kind, values, "", damage), damage
    except _Misfit:
        return None, damage


def require_sound(damage: list[str], path: Path) -> None:
    """Raise `UserError`, with the first line of `damage`, if there is one."""
    if damage:
        raise UserError(f"{path} is damaged: its {damage[0]}; {ADVICE}")


def _record(kind: type[T], values: object, name: str, damage: list[str]) -> T:
    if not isinstance(values, dict):
        raise _refused(values, name or "whole", damage)
    known, hints, lacks = cast("dict[str, Any]", values), get_type_hints(kind, include_extras=True), False
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cast(Any, kind)):
        place = f"{name}.{field.name}".lstrip(".")
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if field.name in known:
            try:
                found[field.name] = _fitting(hints[field.name], known[field.name], place, damage)
                continue
            except _Misfit:
                lacks |= not has_default
        elif not has_default:
            damage.append(f"{place} is not there")
            lacks = True
    if lacks:
        raise _Misfit
    return kind(**found)


def _fitting(kind: Any, value: Any, name: str, damage: list[str]) -> Any:
    """The value as one of `kind`. Raises `_Misfit` where it is none, with a line more in `damage`."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        found = _fitting(parts[0], value, name, damage)
        return _if(parts[1](found), found, name, damage)
    if origin in (Union, types.UnionType):
        if value is None and types.NoneType in parts:
            return None
        return _first_of([part for part in parts if part is not types.NoneType], value, name, damage)
    if origin is Literal:
        return _if(any(type(value) is type(part) and value == part for part in parts), value, name, damage)
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise _refused(value, name, damage)
        members = {f"{name}[{i}]": (i, one) for i, one in enumerate(cast("list[Any]", value))}
        found = list(_members(parts[0], members, damage).values())
        return found if origin is list else tuple(found)
    if origin is dict:
        if not isinstance(value, dict):
            raise _refused(value, name, damage)
        members = {f"{name}.{key}": (key, one) for key, one in cast("dict[str, Any]", value).items()}
        return _members(parts[1], members, damage)
    if dataclasses.is_dataclass(kind):
        return _record(cast("type[Any]", kind), value, name, damage)
    try:
        plain = cast("Callable[[Any], Any]", _PLAIN.get(kind, kind))  # what is none of these is an Enum
        return plain(value)
    except (ValueError, TypeError, OverflowError):
        raise _refused(value, name, damage) from None


def _members(kind: Any, members: dict[str, tuple[Any, Any]], damage: list[str]) -> dict[Any, Any]:
    """What fits of the entries of a list or of names, by index or name."""
    found: dict[Any, Any] = {}
    for place, (key, value) in members.items():
        try:
            found[key] = _fitting(kind, value, place, damage)
        except _Misfit:
            continue  # it is in `damage`
    return found


def _first_of(kinds: list[Any], value: Any, name: str, damage: list[str]) -> Any:
    for kind in kinds[:-1]:
        try:
            return _fitting(kind, value, name, [])
        except _Misfit:
            continue
    return _fitting(kinds[-1], value, name, damage)


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
