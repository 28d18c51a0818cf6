import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from rnnkit.core import files, records
from rnnkit.core.errors import UserError


class Kind(StrEnum):
    GOOD = "good"


@dataclass(frozen=True)
class Inner:
    name: str
    value: float = 0.5


@dataclass(frozen=True)
class Outer:
    count: int
    text: str = "default"
    share: Annotated[float, lambda value: 0 <= value <= 1] = 0.0
    kind: Kind = Kind.GOOD
    way: Literal["up", 1] = "up"
    inner: Inner | None = None
    several: list[Inner] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    moment: records.Moment = ""
    place: Path | None = None
    anything: Any = None


WHOLE = {"count": 3, "text": "x", "share": 1, "kind": "good", "way": 1, "inner": {"name": "a", "value": "Infinity"}}
WHOLE |= {"several": [{"name": "b"}], "numbers": {"n": "NaN", "m": 2}, "moment": "2026-01-02T03:04:05+00:00"}
WHOLE |= {"place": "/a", "anything": [{}], "later": 1}


def test_what_fits_is_read_as_its_kind():
    found, damage = records.read(Outer, WHOLE)
    assert damage == []
    assert (found.count, found.share, found.kind, found.inner) == (3, 1.0, Kind.GOOD, Inner("a", math.inf))
    assert type(found.share) is float
    assert (found.several, found.numbers["m"], found.place) == ([Inner("b", 0.5)], 2.0, Path("/a"))
    assert math.isnan(found.numbers["n"])


@pytest.mark.parametrize(
    ("name", "value", "damage"),
    [
        ("text", 1, "text is 1"),
        ("text", None, "text is None"),
        ("share", 1.5, "share is 1.5"),
        ("share", True, "share is True"),
        ("share", "half", "share is 'half'"),
        ("kind", "bad", "kind is 'bad'"),
        ("kind", [], "kind is []"),
        ("way", True, "way is True"),  # which is equal to 1
        ("inner", {"value": 1}, "inner.name is not there"),
        ("inner", {"name": "a", "value": []}, "inner.value is []"),
        ("several", "b", "several is 'b'"),
        ("several", [{"name": "b"}, 3], "several[1] is 3"),
        ("numbers", {"n": {}}, "numbers.n is {}"),
        ("numbers", [1], "numbers is [1]"),
        ("moment", "0001-01-01T00:00:00+14:00", "moment is '0001-01-01T00:00:00+14:00'"),
        ("moment", "yesterday", "moment is 'yesterday'"),
        ("place", 1, "place is 1"),
    ],
)
def test_what_does_not_fit_is_named_and_left_out(name, value, damage):
    found, said = records.read(Outer, WHOLE | {name: value})
    assert said == [damage]
    assert found.count == 3
    with pytest.raises(UserError, match=r"^x\.json is damaged: its .*; put back a copy"):
        records.require_sound(said, Path("x.json"))


@pytest.mark.parametrize("values", [{}, {"count": "3"}, {"count": True}, {"count": 2.0}, [], None, 3])
def test_without_a_field_that_has_no_default_there_is_no_record(values):
    found, damage = records.read(Outer, values)
    assert found is None
    assert len(damage) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 10_000 + "]" * 10_000, "too deep"),
        ('{"a": {"b": ' + "[" * 60 + "]" * 60 + "}}", "the brackets in a are nested too deeply"),
        (r'{"a": {"b": ["x", "\ud800"]}}', r"a\.b\.1 holds half a character"),
        (r'{"a\udfffb": 1}', "holds half a character"),
        ("{", "Expecting"),
        (b"\xff", "codec can't decode"),
    ],
)
def test_what_could_not_be_shown_again_is_no_json(text, why):
    with pytest.raises(ValueError, match=why):
        files.parsed(text)


def test_whole_characters_and_huge_numbers_are_read():
    assert files.parsed(json.dumps({"smile": "\U0001f600"})) == {"smile": "\U0001f600"}
    assert files.parsed(f"[{2**63 - 1}, {10**400}]") == [2**63 - 1, math.inf]


def test_a_record_of_a_later_version_is_not_to_be_deleted(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 2, "run": 1}')
    with pytest.raises(UserError, match=r"of a later version \(format 2, here 1\): read it with that version$"):
        files.read_json(tmp_path / "manifest.json")


def test_a_file_of_any_size_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "summary.json").open("wb") as file:
        file.truncate(30 << 30)  # of holes
    with pytest.raises(UserError, match="damaged"):
        files.read_json(tmp_path / "summary.json")
