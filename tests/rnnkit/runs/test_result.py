import math

import pytest

from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs.flags import Flag
from rnnkit.runs.result import Comparison, Reference, ReferenceKind, Result, Status


def a_result(folder, **fields):
    return Result(run="a-run", status=Status.FINISHED, step=3, seconds=1.5, metrics={"a": 0.1}, folder=folder, **fields)


def test_a_result_is_read_as_it_was_written(tmp_path):
    result = a_result(
        tmp_path,
        comparison=Comparison("a baseline", 0.9, 0.8, 0.1, 0.05, 0.15, 200),
        references=[Reference("the best possible", "loss", 1, ReferenceKind.LIMIT)],
        flags=[Flag("diverged", "", math.inf, -math.inf, "Lower it.")],
        resumed_after=[1, 2],
    )
    result.write()
    assert Result.read(tmp_path) == result
    assert isinstance(Result.read(tmp_path).references[0].value, float)


def test_numbers_that_are_not_finite_are_texts_in_the_file(tmp_path):
    a_result(tmp_path, flags=[Flag("diverged", "", math.nan, math.inf, "Lower it.")]).write()
    (flag,) = files.read_json(tmp_path / "result.json")["flags"]
    assert (flag["value"], flag["threshold"]) == ("NaN", "Infinity")
    assert math.isnan(Result.read(tmp_path).flags[0].value)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"status": "ended"},
        {"metrics": None},
        {"references": [{"what": "a", "metric": "loss", "value": 1.0, "kind": "a guess"}]},
        {"comparison": {"baseline": "a"}},
        {"flags": [1]},
        {"seconds": -1.0},
        {"step": True},
    ],
)
def test_what_is_no_result_is_said(tmp_path, spoilt):
    a_result(tmp_path).write()
    files.write_json(tmp_path / "result.json", files.read_json(tmp_path / "result.json") | spoilt)
    with pytest.raises(UserError, match=r"result\.json is damaged"):
        Result.read(tmp_path)


def test_what_a_later_version_adds_is_passed_over(tmp_path):
    a_result(tmp_path).write()
    before = Result.read(tmp_path)
    files.write_json(tmp_path / "result.json", files.read_json(tmp_path / "result.json") | {"more": 1})
    assert Result.read(tmp_path) == before


def test_a_flag_of_another_version_is_left_out(tmp_path):
    flag = {"name": "too hot", "where": "head", "value": "Infinity", "threshold": 1.0, "advice": "Lower it."}
    a_result(tmp_path).write()
    written = files.read_json(tmp_path / "result.json")
    files.write_json(tmp_path / "result.json", written | {"flags": [{"odd": 1}, flag]})
    assert Result.read(tmp_path).flags == [Flag("too hot", "head", math.inf, 1.0, "Lower it.")]


def test_a_folder_without_a_result_has_none(tmp_path):
    assert Result.read(tmp_path) is None
