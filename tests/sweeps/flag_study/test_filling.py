"""The bank is filled run by run, goes on where it stopped, and watching changes nothing of a run."""

import dataclasses
import math
import sys

import pytest

from experiments import memory
from rnnkit.core import UserError
from rnnkit.runs import read_rows
from rnnkit.runs.foretelling import signs
from rnnkit.training import Experiment
from sweeps.flag_study import drawn, entries, filling, scores, watched
from tests.experiments.test_music import best_possible


@pytest.fixture(scope="module")
def point():
    """The first point of the bank, with few units and no more steps than two looks take."""
    first = drawn.points()[0]
    small = {"epochs": 1, "round": 30, "hidden_size": 4, "depth": 2, "learning_rate": 0.01, "clip": 1.0, "cell": "gru"}
    return dataclasses.replace(first, config=first.config.changed(init="default", **small))


@pytest.fixture(scope="module")
def entry(point):
    return watched.measured(point)


def test_a_watched_run_is_bit_for_bit_the_experiments_own(point, tmp_path):
    config = dataclasses.replace(point.config, keep="last", runs_dir=tmp_path)
    seen = watched.Watched(config)
    results = [Experiment(memory.Config, seen.setup, seen.conclude)(config), memory.run(config)]
    assert results[0].weights_sha256 == results[1].weights_sha256
    trained = [[row["loss/train"] for row in read_rows(result.folder)] for result in results]
    assert trained[0] == trained[1]
    assert len(trained[0]) == 30


def test_an_entry_says_what_was_seen_when(point, entry):
    assert (entry.number, entry.task, entry.family, entry.status) == (0, point.task.name, point.task.family, "finished")
    assert entry.settings["cell"] == "gru"
    assert entry.limits == (pytest.approx(1 / 6), 0.0)
    assert len(entry.curve) == 1 + 30 // drawn.EVERY
    before, later = entry.signs  # after 0 and 20 steps of 30
    assert before["learning rate"] == pytest.approx(math.log(0.01), rel=1e-3)
    assert before["training loss"] == 0  # that of the first step, in its own size
    assert "distance from the start" not in before
    assert later["distance from the start"] < 0  # less than their own size
    assert set(later) <= set(signs.LOOK + signs.STEPS)
    assert 0 < entry.loss < 2 * entry.limits[0]


def test_looks_are_into_the_net_as_it_is(point, entry):
    """At a learning rate of next to nothing, the net stays what it was."""
    still = dataclasses.replace(point, config=dataclasses.replace(point.config, learning_rate=1e-30))
    before, later = watched.measured(still).signs
    same = set(signs.LOOK) & set(before)
    assert len(same) > 10
    assert {name: before[name] for name in same} == {name: later[name] for name in same}
    assert any(entry.signs[0][name] != entry.signs[1][name] for name in same)


def test_a_net_that_diverges_is_kept_with_what_was_seen_of_it(point, tmp_path):
    wild = point.config.changed(learning_rate=1e38, clip=0.0, cell="lru")  # whose states have no bounds
    found = watched.measured(dataclasses.replace(point, config=wild))
    assert (found.status, found.loss, len(found.signs), len(found.curve)) == ("diverged", None, 1, 1)
    entries.write(tmp_path / "flags.jsonl", [found])
    assert entries.read(tmp_path / "flags.jsonl") == [found]


def test_a_bank_that_was_stopped_goes_on_and_ends_with_the_same_file(point, entry, tmp_path, monkeypatch, capsys):
    points = [dataclasses.replace(point, number=number) for number in range(3)]
    monkeypatch.setattr(drawn, "points", lambda: points)
    made = []

    def measured(point):
        made.append(point.number)
        if made == [0, 1]:
            raise KeyboardInterrupt
        return dataclasses.replace(entry, number=point.number)

    monkeypatch.setattr(watched, "measured", measured)
    path = tmp_path / "made" / "flags.jsonl"
    monkeypatch.setattr(sys, "argv", ["filling", "--file", str(path)])
    with pytest.raises(KeyboardInterrupt):
        filling.main()
    assert [one.number for one in entries.read(path)] == [0]
    filling.main()
    assert made == [0, 1, 1, 2]
    assert entries.read(path) == [dataclasses.replace(entry, number=number) for number in range(3)]
    assert "3 of 3: adding 10, finished" in capsys.readouterr().out


def test_648_entries_take_less_than_2_mb(entry, tmp_path):
    full = dataclasses.replace(entry, curve=[1.234e-5] * 21, signs=[dict.fromkeys(scores.NAMES, -12.34)] * 5)
    entries.write(tmp_path / "flags.jsonl", [full] * 648)
    assert (tmp_path / "flags.jsonl").stat().st_size < 2e6


def test_a_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "flags.jsonl").write_text('{"format": 1}\n')
    with pytest.raises(UserError, match="of another format"):
        entries.read(tmp_path / "flags.jsonl")


def test_limits_of_all_tasks_are_known_and_lie_apart(monkeypatch):
    bits = {1: 4.0, 6: 2.0}  # the real ones take seconds to count
    monkeypatch.setattr(watched.ngram, "bits_per_character", lambda train, test, symbols, order: bits[order])
    for point in drawn.points()[: len(drawn.TASKS)]:
        baseline, best = watched.limits(point.config)
        assert 0 <= best < baseline
        if point.task.family == "characters":
            assert (baseline, best) == pytest.approx((4 * math.log(2), 2 * math.log(2)))
        if point.task.family == "music":
            assert best == pytest.approx(best_possible(watched.music.load("made", None).test), abs=1e-4)
    watched._of_text.cache_clear()
