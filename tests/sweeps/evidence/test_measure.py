"""What `make evidence` measures, keeps, and writes, with rows that take a second each."""

import dataclasses
import json
import math
import statistics
import subprocess
import sys
import time

import pytest

from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs.result import Reference, Result
from sweeps.evidence import measure as evidence
from sweeps.evidence import tables
from sweeps.evidence.rows import GROUPS, ROWS, EvidenceRow
from tests.helpers import ROOT, no_account


ROW = EvidenceRow(
    "small", "digits", "a small GRU", "digits", "--epochs 1 --hidden-size 4 --depth 1", "metric/accuracy/test", 2
)
CUT = EvidenceRow("cut", "adding", "no state", "memory", "--cut-recurrence", "metric/loss/test", 5)


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """`evidence.measure` on rows of one's own, with folders of the test's."""
    monkeypatch.setattr(evidence, "ROWS", [ROW])
    monkeypatch.setattr(tables, "ROWS", [ROW])
    evidence.configuration.cache_clear()

    def run(**words):
        return evidence.measure(evidence.Options(to=tmp_path / "docs", runs_dir=tmp_path / "runs", **words))

    yield run
    evidence.configuration.cache_clear()


def kept(tmp_path):
    return json.loads((tmp_path / "docs" / "evidence.json").read_text())["measurements"]


def measured_value(row, seed, value, **words):
    given = {"status": "finished", "metrics": {}, "minutes": 1.5, "processor": "P", "torch": "T", "commit": None}
    given |= {"references": [], "comparison": None}
    return evidence.Measurement(row=row.name, seed=seed, run=f"run-s{seed}", value=value, **(given | words))


def test_it_measures_every_seed_once_and_writes_what_the_runs_say(measure, tmp_path, monkeypatch, capsys):
    assert measure() == 0
    results = [Result.read(folder) for folder in sorted((tmp_path / "runs").glob("digits-*"))]
    assert [m["value"] for m in kept(tmp_path)] == [r.metrics["metric/accuracy/test"] for r in results]
    assert [m["minutes"] for m in kept(tmp_path)] == [round(r.processor_seconds / 60, 2) for r in results]
    mean = statistics.mean(r.metrics["metric/accuracy/test"] for r in results)
    page = (tmp_path / "docs" / "evidence.md").read_text()
    assert f"| `small` | a small GRU | {mean:.4f} ± " in page
    assert "(2); no better than logistic regression" in page  # four units after one epoch: far from it
    assert "python -m experiments.digits --epochs 1 --hidden-size 4 --depth 1" in page

    monkeypatch.setattr(evidence, "train", lambda *_: pytest.fail("it was measured before"))
    assert measure() == 0
    assert (tmp_path / "docs" / "evidence.md").read_text() == page

    (tmp_path / "docs" / "evidence.json").unlink()  # the runs are still there, and count
    assert measure() == 0
    assert (tmp_path / "docs" / "evidence.md").read_text() == page

    (folder,) = (tmp_path / "runs").glob("digits-s0-*")
    manifest = files.read_json(folder / "manifest.json")
    for missing in ("machine", "started", "git"):
        files.write_json(folder / "manifest.json", {k: v for k, v in manifest.items() if k != missing})
        with pytest.raises(UserError, match=f"the run in {folder} is damaged .*: delete it"):
            evidence.finished(tmp_path / "runs", ROW, 0)


def test_the_commit_is_marked_where_python_files_differ_from_it():
    """Not where evidence.json does: it differs from the commit as soon as one row has been measured."""
    git = {"commit": "abc", "dirty": True, "changes": None}
    assert evidence.commit(git) == "abc"
    assert evidence.commit(git | {"changes": "a hash"}) == "abc with changes"
    assert evidence.commit({"commit": None, "dirty": None, "changes": None}) is None


def test_what_was_measured_with_other_settings_is_measured_again(measure, tmp_path, monkeypatch):
    old = measured_value(ROW, 0, 0.5)
    evidence.write(tmp_path / "docs", {("small", 0): old})
    asked = []
    monkeypatch.setattr(
        evidence, "train", lambda options, row, seed, trainings: asked.append(seed) or measured_value(row, seed, 0.9)
    )
    assert measure() == 0
    assert asked == [0, 1]


def test_what_is_not_asked_for_is_kept_with_the_settings_it_had(measure, tmp_path, monkeypatch):
    other = dataclasses.replace(ROW, name="other")
    monkeypatch.setattr(evidence, "ROWS", [ROW, other])
    monkeypatch.setattr(tables, "ROWS", [ROW, other])
    old = {(row.name, 0): measured_value(row, 0, 0.5) for row in (ROW, other)}
    evidence.write(tmp_path / "docs", old)
    monkeypatch.setattr(evidence, "train", lambda options, row, seed, trainings: measured_value(row, seed, 0.9))
    assert measure(row="small") == 0
    assert [(m["row"], m["value"]) for m in kept(tmp_path)] == [("small", 0.9), ("small", 0.9), ("other", 0.5)]


def test_a_row_that_fails_is_said_and_the_others_go_on(measure, tmp_path, monkeypatch, capsys):
    bad = EvidenceRow("bad", "sentiment", "no such file", "sentiment", "--data missing.csv", "metric/accuracy/test", 1)
    monkeypatch.setattr(evidence, "ROWS", [bad, ROW])
    monkeypatch.setattr(tables, "ROWS", [bad, ROW])
    assert measure(jobs=2) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: row bad, seed 0: ")
    assert "missing.csv" in said
    assert len(kept(tmp_path)) == 2
    assert "| `bad` | no such file | not measured yet |" in (tmp_path / "docs" / "evidence.md").read_text()


def test_a_stop_keeps_what_was_measured(measure, tmp_path, monkeypatch):
    def train(options, row, seed, trainings):
        if seed == 1:
            raise KeyboardInterrupt
        return measured_value(row, seed, 0.75)

    monkeypatch.setattr(evidence, "train", train)
    with pytest.raises(KeyboardInterrupt):
        measure()
    assert [m["value"] for m in kept(tmp_path)] == [0.75]


def test_sigterm_has_the_run_under_way_save_and_end(tmp_path):
    """Told to the parent alone, as a scheduler does: not after an hour of training, and the run can go on."""
    words = ["--row", "digits", "--runs-dir", str(tmp_path / "runs"), "--to", str(tmp_path / "docs")]
    with subprocess.Popen(
        [sys.executable, "-m", "sweeps.evidence", *words], cwd=ROOT, env=no_account(), stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + 60
        while not any(path.stat().st_size for path in (tmp_path / "runs").glob("digits-*/metrics.jsonl")):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.terminate()
        assert "Traceback" not in process.communicate(timeout=30)[1]
    assert process.returncode == 143
    (folder,) = (tmp_path / "runs").glob("digits-*")
    assert Result.read(folder).status == "interrupted"
    assert (folder / "checkpoint.resume.pt").exists()
    assert kept(tmp_path) == []


GOOD = {"what": "nothing", "metric": "loss", "value": 0.5, "kind": "baseline"}


@pytest.mark.parametrize(
    "spoilt",
    [
        {"seed": "0"},
        {"seed": -1},
        {"seed": True},
        {"run": 5},
        {"row": ["small"]},
        {"value": "x"},
        {"minutes": None},
        {"metrics": []},
        {"references": None},
        {"references": [{}]},
        {"references": [GOOD | {"value": "0.5"}]},
        {"references": [GOOD | {"kind": "rumour"}]},
        {"comparison": ["better"]},
        {"comparison": {"baseline": "nothing"}},
        {"more": 1},
    ],
)
def test_a_damaged_measurement_is_named_and_nothing_is_written(measure, tmp_path, spoilt):
    sound = dataclasses.asdict(measured_value(ROW, 0, 0.5, references=[GOOD]))
    path = tmp_path / "docs" / "evidence.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"measurements": [sound, sound | spoilt]}))
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"evidence\.json, measurement 1 is damaged: get its last version"):
        measure()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", '{"measurements": ', "[]", "{}", '{"measurements": {}}'])
def test_a_damaged_file_is_named(measure, tmp_path, content):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "evidence.json").write_text(content)
    with pytest.raises(UserError, match=r"evidence\.json is damaged \(.*\): get its last version, or delete it"):
        measure()


def test_a_place_that_cannot_be_written_is_said_before_anything_is_trained(measure, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "train", lambda *_: pytest.fail("nothing is to be trained"))
    (tmp_path / "docs").write_text("a file")
    with pytest.raises(UserError, match="--to .*docs is not a folder"):
        measure()
    (tmp_path / "docs").unlink()
    (tmp_path / "docs").symlink_to("/proc/none")
    with pytest.raises(
        UserError, match="cannot write .*docs .*: make room or allow it, or choose another folder with --to"
    ):
        measure()


def test_an_unknown_row_is_named_with_those_that_there_are(measure):
    with pytest.raises(UserError, match="--row lstm: there is no such row; there are small"):
        measure(row="lstm")


def test_every_row_can_be_run():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    for row in ROWS:
        config = evidence.configuration(row, 1)  # raises for a flag that the experiment does not have
        assert config.seed == 1
        assert row.group in GROUPS
        assert row.seeds >= 3


VALUES = [0.20, 0.16, 0.18, 0.17, 0.19]


@pytest.mark.parametrize(
    ("kind", "theirs", "expected"),
    [
        ("published", 0.181, "reached"),
        ("published", 0.17, "within the spread"),
        ("published", 0.15, "not reached, 0.0300 short"),
    ],
)
def test_a_published_figure_is_reached_or_not(kind, theirs, expected):
    assert tables.verdict(CUT, VALUES, theirs) == expected
    higher = EvidenceRow("higher", "digits", "", "digits", "", "metric/accuracy/test", 5)
    assert tables.verdict(higher, [1 - value for value in VALUES], 1 - theirs).split(",")[0] == expected.split(",")[0]


def test_a_net_is_better_than_a_baseline_by_twice_its_standard_error_or_not_at_all():
    error = statistics.stdev(VALUES) / math.sqrt(5)
    assert tables.better(CUT, VALUES, 0.18 + 2.1 * error)
    assert not tables.better(CUT, VALUES, 0.18 + 1.9 * error)


def test_the_table_says_all_of_a_row():
    references = [
        dataclasses.asdict(Reference("nothing remembered", "loss", 1 / 6)),
        dataclasses.asdict(Reference("best possible", "loss", 0.0, "limit")),
        dataclasses.asdict(Reference("somebody", "loss", 0.15, "published")),
        dataclasses.asdict(Reference("of another measure", "accuracy", 0.9)),
    ]
    seeds = [measured_value(CUT, seed, value, references=references) for seed, value in enumerate(VALUES[:4])]
    seeds.append(measured_value(CUT, 4, None, status="diverged", references=[]))
    assert tables.table_row(CUT, seeds, [("best possible", 0.0)]) == (
        "| `cut` | no state | 0.1775 ± 0.0171 (4); 1 diverged; no better than nothing remembered "
        "| 0.1500 somebody: not reached, 0.0275 short | 0.1667 nothing remembered | 1.5 |"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [(114.52, "114.5"), (8.4266, "8.427"), (0.9212, "0.9212"), (0.000123, "0.000123"), (0.0, "0.0000")],
)
def test_figures_show_about_four_places(value, shown):
    assert tables.figure(value) == shown
