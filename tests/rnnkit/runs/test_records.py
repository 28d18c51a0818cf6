import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rnnkit.core import files, secrets
from rnnkit.core.errors import UserError
from rnnkit.runs import checkpoints, manifest
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows


@given(st.dictionaries(st.text(), st.floats() | st.integers(-(2**53), 2**53)))
def test_rows_come_back_exactly(row):
    text = json.dumps(files.encode(row), allow_nan=False)
    again = files.decode(json.loads(text))
    assert again.keys() == row.keys()
    for key, value in row.items():
        same = math.isnan(again[key]) if isinstance(value, float) and math.isnan(value) else again[key] == value
        assert same
        assert type(again[key]) is type(value)


def test_a_torn_last_row_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "a": "NaN"}\n{"step": 2, "a": 0.')
    (row,) = read_rows(tmp_path)
    assert row["step"] == 1
    assert math.isnan(row["a"])


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"metrics": [], "run": "x"}', "\0\0"])
def test_a_damaged_result_is_named_in_one_line(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    advice = "put back a copy of it, or read it with the version that wrote it"
    with pytest.raises(UserError, match=rf"^.*result\.json is damaged(: its .*; {advice}| \(.*\): delete it, .*)$"):
        Result.read(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    files.write_json(path, {"a": 1})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_json(path, {"a": 2})
    assert files.read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_the_hash_of_weights_tells_values_names_and_types_apart():
    torch.manual_seed(0)
    model = nn.Linear(2, 3)
    first = checkpoints.weights_sha256(model)
    assert checkpoints.weights_sha256(model) == first
    with torch.no_grad():
        model.weight[0, 0] = torch.nextafter(model.weight[0, 0], torch.tensor(9.0))
    second = checkpoints.weights_sha256(model)
    assert (
        len(
            {
                first,
                second,
                checkpoints.weights_sha256(model.double()),
                checkpoints.weights_sha256(nn.Sequential(model)),
            }
        )
        == 4
    )


def test_no_secret_reaches_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("MY_PASSWORD", "correct horse")
    monkeypatch.setenv("SHORT_TOKEN", "a")
    values = {
        "reason": "UserError: cannot log in with 0123456789abcdef",
        "config": {"data": Path("/somewhere/correct horse/x.csv"), "hidden_size": 8, "0123456789abcdef": None},
        "storage": ["postgresql://ann:hunter2@host:5432/db", "http://host:80/a@b", "postgresql://ann:a/b@c@host/db"],
        "sentence": "host=h password='a b' sslpassword=c user=ann",
        "remote": ["https://ann:word@host/x", "https://ghp_0123@host/x"],
        "command": "python -m x --password 'sword fish' --api-key=abc --keep best",
        "database_password": "swordfish",
        "tokens": "all",
        "token": 5,
        "metric/token": "NaN",
    }
    files.write_json(tmp_path / "x.json", values)
    assert files.read_json(tmp_path / "x.json") == {
        "reason": "UserError: cannot log in with ***",
        "config": {"data": "/somewhere/***/x.csv", "hidden_size": 8, "***": None},
        "storage": ["postgresql://ann:***@host:5432/db", "http://host:80/a@b", "postgresql://ann:***@host/db"],
        "sentence": "host=h password=*** sslpassword=*** user=ann",
        "remote": ["https://***@host/x", "https://***@host/x"],
        "command": "python -m x --password *** --api-key=*** --keep best",
        "database_password": "***",
        "tokens": "all",
        "token": 5,
        "metric/token": "NaN",
    }


def test_a_path_is_no_secret_whatever_the_variable_that_holds_it_is_called(tmp_path, monkeypatch):
    """The shell's PWD is part of the absolute path of any file in the current folder."""
    monkeypatch.setenv("PWD", str(tmp_path))
    assert secrets.without_secrets(f"{tmp_path}/notes.txt") == f"{tmp_path}/notes.txt"


def test_a_secret_that_a_file_in_the_current_folder_is_called_by_is_still_one(tmp_path, monkeypatch):
    (tmp_path / "correct-horse").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_TOKEN", "correct-horse")
    assert secrets.without_secrets("said correct-horse") == "said ***"


@pytest.mark.parametrize("content", [None, b"model name\t: A \xff processor\n", b"nothing of the kind\n"])
def test_a_processor_that_cannot_be_read_costs_no_run(content, monkeypatch):
    """A container may hide the file, and a firmware may have put anything into it."""

    def read_text(path, encoding="ascii", errors="strict"):
        if content is None:
            raise PermissionError(13, "Permission denied")
        return content.decode(encoding, errors)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert manifest.processor()
