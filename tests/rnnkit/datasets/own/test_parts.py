"""Parts of own data: shares, groups, equal sequences, folds, windows in time, seasons; and what is said of them."""

import re

import numpy as np
import pytest

from rnnkit.core import UserError
from rnnkit.datasets.own import OwnData, description, parts, windows


def made(count=100, **told):
    inputs = [np.full((3, 1), i, np.float32) for i in range(count)]
    told = {"targets": [str(i % 4 == 0) for i in range(count)], "answers": "label", **told}
    lines = list(range(count))
    return OwnData(reads="series", inputs=told.pop("inputs", inputs), lines=lines, ids=lines, sha256="0", **told)


def disjoint(places):
    every = [set(part.tolist()) for part in (places.train, places.valid, places.test)]
    assert sum(map(len, every)) == len(set().union(*every))
    return every


def test_each_class_has_its_share_in_each_part():
    data = made()
    every = disjoint(parts.divided(data, 0))
    assert [len(part) for part in every] == [60, 20, 20]
    assert [sum(data.targets[i] == "True" for i in part) for part in every] == [15, 5, 5]
    assert disjoint(parts.divided(data, 1)) != every


def test_no_group_stands_in_two_parts_nor_do_equal_sequences():
    groups = [f"p{i // 5}" for i in range(100)]
    places = parts.divided(made(groups=groups), 0)
    of_parts = [{groups[i] for i in part} for part in disjoint(places)]
    assert sum(map(len, of_parts)) == len(set().union(*of_parts))
    equal = [np.full((3, 1), i // 3, np.float32) for i in range(99)]
    places = parts.divided(made(99, inputs=equal), 0)
    of_parts = [{i // 3 for i in part} for part in disjoint(places)]
    assert sum(map(len, of_parts)) == len(set().union(*of_parts))
    assert any(note.startswith("66 of the sequences are equal") for note in places.notes)


def test_folds_validate_each_sequence_once_and_leave_the_test_part_alone():
    data = made()
    places = parts.divided(data, 0, folds=4)
    assert set(places.train) == set(places.valid) == set(range(100)) - set(places.test.tolist())
    counts = np.bincount(places.fold)
    assert (len(counts), counts.min(), counts.max()) == (4, 20, 20)
    for fold in range(4):
        assert sum(data.targets[i] == "True" for i in places.train[places.fold == fold]) == 5


def test_given_parts_are_kept_and_what_stands_in_two_is_said():
    given = ["test" if i >= 80 else "train" for i in range(100)]
    inputs = [np.full((3, 1), min(i, 90), np.float32) for i in range(100)]
    inputs[99] = inputs[0]
    targets = [str(i % 2) for i in range(99)] + ["new"]
    places = parts.divided(made(parts=given, inputs=inputs, targets=targets), 0)
    assert set(places.test.tolist()) == set(range(80, 100))
    assert any("1 of 20 test sequences are in training too" in note for note in places.notes)
    assert any("'new', which training lacks" in note for note in places.notes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (made(9), "9 sequences: at least 10 are needed"),
        (made(targets=["a"] * 100), "has the label 'a': two labels are needed"),
        (made(groups=["one"] * 100), "all sequences belong together"),
    ],
)
def test_what_cannot_be_divided_is_said(data, message):
    with pytest.raises(UserError, match=message):
        parts.divided(data, 0)


def test_windows_of_the_test_part_foretell_what_no_other_part_shows_as_a_target():
    steps = np.arange(100, dtype=np.float32)[:, None]
    cut = windows.cut(made(1, inputs=[steps], targets=[], answers="forecast"), context=8, horizon=3, season=5)
    for part, low, high in (("train", 8, 60), ("valid", 60, 80), ("test", 80, 100)):
        places = getattr(cut.places, part)
        found = cut.targets[places]
        assert (found.min(), found.max()) == (low, high - 1)
        np.testing.assert_array_equal(found[:, 0] - 1, cut.last[places])
    np.testing.assert_array_equal(cut.before, cut.targets - 5)
    with pytest.raises(UserError, match="too short for a context of 70"):
        windows.cut(made(1, inputs=[steps], targets=[], answers="forecast"), context=70, horizon=3)


def test_of_very_many_windows_every_few_are_used_and_that_is_said(monkeypatch):
    monkeypatch.setattr(windows, "MOST", 20)
    steps = np.arange(200, dtype=np.float32)[:, None]
    cut = windows.cut(made(1, inputs=[steps], targets=[], answers="forecast"), context=8, horizon=1)
    assert np.diff(cut.targets[cut.places.train, 0]).tolist() == [6.0] * (len(cut.places.train) - 1)
    assert all(10 <= len(getattr(cut.places, part)) <= 20 for part in ("train", "valid", "test"))
    assert cut.places.notes[0] == "of 112 windows to train with, every 6th is used"


def test_windows_without_a_target_or_a_past_are_left_out():
    steps = np.arange(100, dtype=np.float32)[:, None]
    steps[:10] = steps[50] = np.nan
    cut = windows.cut(made(1, inputs=[steps], targets=[], answers="forecast"), context=4, horizon=2)
    told = set(cut.targets.ravel().tolist())
    assert not np.isnan(cut.targets).any()
    assert min(told) == 11  # the first whose past holds a value
    assert {49.0, 51.0} <= told


@pytest.mark.parametrize("period", [1, 7, 24])
def test_the_season_of_a_series_is_found(period):
    noise = np.random.default_rng(0).normal(0, 0.3, 600)
    wave = np.tile(np.random.default_rng(1).normal(0, 2, period), 600)[:600] if period > 1 else 0
    assert windows.season_of(noise + wave + 0.05 * np.arange(600)) == period


def test_what_a_file_holds_is_told_in_lines():
    inputs = [np.full((3 + i % 3, 2), i, np.float32) for i in range(100)]
    inputs[0][0, 0] = np.nan
    inputs[2] = inputs[6] = np.full((5, 2), 7, np.float32)
    data = made(inputs=inputs, channels=("a", "b"), notes=("said",))
    first, second, *rest = description.lines(data, parts.divided(data, 0))
    said = "100 sequences of 3 to 5 steps (median 4), 2 channels (a and b), 2 classes (False 75 %, True 25 %)"
    assert first == f"{said}, some missing, 1 duplicate"
    assert re.fullmatch("(59|60|61) to train, (19|20|21) to validate, (19|20|21) to test", second)
    assert rest[0] == "said"


def test_channels_that_never_change_within_a_sequence_are_named():
    who = [np.stack([np.arange(4), np.full(4, i % 5)], 1).astype(np.float32) for i in range(20)]
    data = made(20, inputs=who, channels=("pulse", "Person No"))
    said = description.lines(data, parts.divided(data, 0))[2]
    assert said.startswith("'Person No' stays the same within each sequence (")
    assert said.endswith("--group 'Person No')")
    unnamed = made(20, inputs=who, channels=("channel 1", "channel 2"))
    assert description.lines(unnamed, parts.divided(unnamed, 0))[2] == "'channel 2' stays the same within each sequence"
    changing = [np.stack([np.arange(4), np.arange(4) == i], 1).astype(np.float32) for i in range(20)]
    data = made(20, inputs=changing, channels=("pulse", "mark"))
    assert not any("the same within" in line for line in description.lines(data, parts.divided(data, 0)))
