"""The answer at the end of a study, from trials told in this process."""

import math
import os
import re

import optuna
import pytest
from scipy import stats

from rnnkit.core import files
from rnnkit.runs import drawing, tracking
from sweeps import worker
from sweeps.analysis import figures, inference, summary
from sweeps.study import points
from tests.helpers import WORKER, new_study


def ran(claim, value, test=0.75):
    """Carry out a claimed trial without training, with a validation and a test score."""

    def run(config, report, context):
        with tracking.start(config, {}, context) as started:
            started.log(1, {"metric/accuracy/valid": value})
            started.finish(metrics={"metric/accuracy/valid": value, "metric/accuracy/test": test})
        return started.result

    worker.run_trial(claim, run)


def told(tmp_path, values, again=(), **options):
    """A study whose trials end with `values`, and those on fresh seeds with `again`, by trial and repeat."""
    study = new_study(tmp_path / "my runs", total=len(values), **options)
    points.plan(study)
    for value in values:
        ran(points.claim(study, WORKER), value)
    while again and (claim := points.claim(study, WORKER)) is not None:
        ran(claim, again[claim.confirms][claim.repeat], 0.5 + again[claim.confirms][claim.repeat] / 10)
    return study


def folder_of(study, number):
    trial = study.trials.trials[number]
    return study.folder.base.runs_dir / trial.user_attrs["run"]


def test_the_best_stands_with_its_test_score(tmp_path):
    study = told(tmp_path, (0.25, 0.5))
    printed = summary.write(study)
    assert "best: trial 1, validation accuracy 0.5000 in its one run (" in printed
    assert "test accuracy 0.7500 in the same run" in printed
    assert f"run: {folder_of(study, 1).name}" in printed
    assert "Trial 1's value is the best of what 2 finished trials came to, and flattered by that choice" in printed
    assert "no difference is supported" in printed


def test_summary_json_has_the_keys_that_it_always_had(tmp_path):
    """W&B's tables, the pages and people's scripts read it."""
    study = told(tmp_path, (0.25, 0.5), {0: [0.1, 0.2], 1: [0.5, 0.51]}, confirm=(2, 2))
    summary.write(study)
    facts = files.read_json(study.folder.path / "summary.json")
    assert " ".join(facts) == (
        "format study experiment metric lower_is_better seed sampler pruner storage trials minutes cost_minutes plane "
        "best confirmed runner_up importances supported not_supported borders timing unread list "
        "others importance points front revision"
    )
    mean = "mean low high spread count"
    (again, _), (trial, _), cell = facts["confirmed"], facts["list"], facts["plane"][0]
    assert set(again) == set(f"trial settings parameters found values {mean} test runs".split())
    assert " ".join(again["test"]["metric/accuracy/test"]) == mean
    assert " ".join(cell) == "hidden_size depth value spread values trials parameters"
    assert " ".join(trial) == "trial state value reason settings run parameters seconds resumed_after"
    assert " ".join(facts["runner_up"]) == "difference low high p seeds supported comparisons more trial other"
    best = "trial value found settings run command parameters test comparison references"
    assert " ".join(facts["best"]) == f"{best} fresh trials runs over scores against"


AGAIN = {2: [0.70, 0.72, 0.71], 4: [0.80, 0.83, 0.84]}


def test_what_is_run_again_decides_and_is_tested_in_pairs(tmp_path):
    """Trial 2 had luck: on fresh seeds it is the worse of the two. Figures beside scipy's own."""
    study = told(tmp_path, (0.1, 0.3, 0.9, 0.2, 0.85, 0.4), AGAIN, confirm=(2, 3), sampler="random")
    printed = summary.write(study)
    facts = files.read_json(study.folder.path / "summary.json")
    assert [row["trial"] for row in facts["confirmed"]] == [4, 2]
    first = facts["confirmed"][0]
    mean = inference.mean_of(AGAIN[4], (0.0, 1.0))
    assert (first["mean"], first["low"], first["high"]) == (mean.mean, mean.low, mean.high)
    assert first["test"]["metric/accuracy/test"]["mean"] == pytest.approx(0.5 + sum(AGAIN[4]) / 30)
    reference = stats.ttest_rel(AGAIN[4], AGAIN[2])
    interval = reference.confidence_interval(0.95)
    found = facts["runner_up"]
    assert (found["p"], found["low"], found["high"]) == pytest.approx((reference.pvalue, interval.low, interval.high))
    assert found["supported"]
    assert "Trial 4's settings are the best of the 2 that were run again, better than those of trial 2, in" in printed
    said = "best: trial 4's settings, validation accuracy 0.8233 as the mean of 3 runs on fresh seeds, 95 % interval "
    assert f"{said}{mean.interval} over seeds; found with 0.8500 (" in printed
    assert facts["best"]["trial"] == 4
    assert facts["trials"] == {"ended": 6, "finished": 6, "pruned": 0, "failed": 0, "again": 6}
    for name in ("again", "search"):
        assert (study.folder.path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"figures/{name}.png" in (study.folder.path / "summary.md").read_text()


@pytest.mark.parametrize("confirm", [(2, 2), (0, 2)])
def test_a_study_that_is_to_have_fewer_points_has_an_answer_of_those(tmp_path, confirm):
    study = told(tmp_path, (0.25, 0.5, 0.75), {1: [0.5, 0.51], 2: [0.7, 0.71]}, confirm=(2, 2))
    study.ask_for(2, confirm)
    assert "best: trial 1" in summary.write(study)
    facts = files.read_json(study.folder.path / "summary.json")
    assert [trial["trial"] for trial in facts["list"]] == [0, 1]
    assert [row["trial"] for row in facts["confirmed"]] == [1][: confirm[0]]


def test_the_best_again_are_those_of_the_study_as_it_has_grown(tmp_path):
    """What was run again when it was small does not stand for the best any more."""
    again = {0: [0.2, 0.21], 1: [0.1, 0.11], 2: [0.80, 0.81], 3: [0.85, 0.86]}
    study = told(tmp_path, (0.25, 0.125), again, confirm=(1, 2), sampler="random")
    study.ask_for(4, (2, 2))
    points.plan(study)
    for value in (0.75, 0.875):
        ran(points.claim(study, WORKER), value)
    while (claim := points.claim(study, WORKER)) is not None:
        ran(claim, again[claim.confirms][claim.repeat])
    printed = summary.write(study)
    facts = files.read_json(study.folder.path / "summary.json")
    assert [row["trial"] for row in facts["confirmed"]] == [3, 2]
    assert (facts["runner_up"]["trial"], facts["runner_up"]["other"]) == (3, 2)
    assert "the best 2 again" in printed
    study.ask_for(4, (1, 2))
    summary.write(study)
    facts = files.read_json(study.folder.path / "summary.json")
    assert [row["trial"] for row in facts["confirmed"]] == [3]
    assert facts["runner_up"] is None


def test_the_best_on_the_edge_of_a_grid_is_told(tmp_path):
    study = told(tmp_path, [0.9 if number == 11 else 0.5 for number in range(12)], sampler="grid")
    summary.write(study)
    size, depth = files.read_json(study.folder.path / "summary.json")["borders"]
    assert size.startswith("The best hidden size, 64, lies on the border of its range 8 to 64: look in 8 to 182 too")
    assert depth.startswith("The best depth, 3, lies on the border of its range 1 to 3: look in 1 to 4 too")


def test_of_one_point_nothing_lies_on_a_border(tmp_path):
    assert "border" not in summary.write(told(tmp_path, [0.9], sampler="grid"))


def test_a_damaged_result_on_a_fresh_seed_is_named_by_its_trial(tmp_path):
    study = told(tmp_path, (0.25, 0.5), {1: [0.5, 0.51]}, confirm=(1, 2), sampler="random")
    run = next(t for t in study.confirmations.trials if t.user_attrs["repeat"] == 1).user_attrs["run"]
    (study.folder.base.runs_dir / run / "result.json").write_text("{")
    assert "the run of trial 1 on fresh seed 2 cannot be read: " in summary.write(study)


def test_intervals_are_of_the_kind_that_the_metric_has(tmp_path):
    """Shares near 1 have no interval beyond it; what two seeds say is nothing."""
    again = {0: [0.96, 0.97, 0.999], 1: [0.01, 0.02, 0.04]}
    study = told(tmp_path, (0.97, 0.5), again, confirm=(2, 3))
    summary.write(study)
    first, second = files.read_json(study.folder.path / "summary.json")["confirmed"]
    assert first["low"] < 0.97 < first["high"] < 1
    assert 0 < second["low"] < 0.02 < second["high"]
    study.ask_for(2, (2, 2))
    printed = summary.write(study)
    assert "2 seeds: too few" in printed
    assert "2 fresh seeds say nothing of how much seeds differ: 3 or more do (--confirm-seeds)." in printed
    assert "interval" not in printed.split("best: ")[1].split("\n")[0].replace("too few for an interval", "")


@pytest.mark.parametrize(("sampler", "shown"), [("random", False), ("grid", True)])
def test_the_plane_is_shown_where_points_of_it_were_tried(tmp_path, sampler, shown):
    study = told(tmp_path, (0.25, 0.5), sampler=sampler)
    printed = summary.write(study)
    for text in (printed, (study.folder.path / "summary.md").read_text()):
        assert ("by hidden size and depth" in text) == shown


def test_a_lead_within_the_spread_is_said_to_be_unsupported(tmp_path):
    again = {2: [0.80, 0.70, 0.75], 4: [0.74, 0.78, 0.76]}
    study = told(tmp_path, (0.1, 0.3, 0.9, 0.2, 0.85, 0.4), again, confirm=(2, 3), sampler="random")
    summary.write(study)
    facts = files.read_json(study.folder.path / "summary.json")
    assert not facts["runner_up"]["supported"]
    assert "Trial 4's settings are not clearly better than those of trial 2" in facts["not_supported"][0]
    assert re.search(r"if they differ by as much, \d+ more seeds would show it", facts["not_supported"][0])
    assert facts["supported"] == []


def test_a_grid_shows_spreads_and_tells_apart_what_differs(tmp_path):
    """Three seeds a point; the least difference is Tukey's, as scipy computes it."""
    base = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.895, 0.5, 0.5, 0.5, 0.5]
    values = [value + shift for shift in (-0.01, 0.0, 0.01) for value in base]
    study = told(tmp_path, values, sampler="grid")
    summary.write(study)
    facts = files.read_json(study.folder.path / "summary.json")
    cell = facts["plane"][6]
    assert (cell["value"], cell["spread"]) == pytest.approx((0.9, 0.01))
    assert cell["trials"] == [6, 18, 30]
    between = inference.spread([cell["values"] for cell in facts["plane"]])
    assert (between.deviation, between.freedom) == (pytest.approx(0.01), 24)
    groups = [cell["values"] for cell in facts["plane"]]
    low = stats.tukey_hsd(*groups).confidence_interval(0.95).low
    needed = inference.least_difference(between, 12, 3, 3)
    assert needed == pytest.approx((0.9 - 0.5) - low[6][0], rel=1e-4)
    assert "32 x 1 is not clearly better than 32 x 2" in facts["not_supported"][0]
    assert "32 x 1 is better than 8 x 1, 8 x 2" in facts["supported"][0]
    assert "± 0.0100" in (study.folder.path / "summary.md").read_text()
    assert "In the plane, 32 x 1 is better than 8 x 1" in facts["supported"][0]
    assert "(means of 3 runs each; " in facts["supported"][0]
    assert max(facts["importances"], key=facts["importances"].get) == "hidden_size"
    assert math.isclose(sum(facts["importances"].values()), 1, rel_tol=1e-6)
    assert "gives this study again bit for bit, with any number of workers" in facts["timing"]


@pytest.mark.parametrize("other", [0.25, 0.5])
def test_a_best_on_the_border_of_its_range_is_told_unless_another_does_as_well(tmp_path, other):
    study = new_study(tmp_path, total=3)
    for size, rate, value in [(8, 0.03, 0.5), (16, 0.01, other)]:
        study.trials.enqueue_trial({**study.folder.space.plane()[0], "hidden_size": size, "learning_rate": rate})
        ran(points.claim(study, WORKER), value)
    printed = summary.write(study)
    for told in (
        "learning rate, 0.03, lies on the border of its range 0.001 to 0.03: look in 0.001 to 0.16 too (--space lear",
        "hidden size, 8, lies on the border of its range 8 to 96: look in 2 to 96 too (--space hidden_size=2..96)",
    ):
        assert (told in printed) == (other < 0.5)
    assert "The best depth" not in printed


def test_a_damaged_result_costs_a_line_and_no_more(tmp_path):
    study = told(tmp_path, (0.25, 0.5))
    (folder_of(study, 1) / "result.json").write_text("{")
    printed = summary.write(study)
    assert "best: trial 1, validation accuracy 0.5000 in its one run" in printed
    assert "test accuracy 0.7500" in printed  # the storage has it
    line = next(line for line in printed.splitlines() if "result.json" in line)
    assert line.startswith("the run of trial 1 cannot be read: ")
    assert line in (study.folder.path / "summary.md").read_text()


def test_a_damaged_mirror_state_costs_nothing(tmp_path):
    study = told(tmp_path, (0.25, 0.5))
    (folder_of(study, 1) / "wandb").mkdir()
    (folder_of(study, 1) / "wandb" / "mirror.json").write_text("[]")
    assert "best: trial 1" in summary.write(study)


def test_printed_commands_can_be_pasted(tmp_path, monkeypatch):
    study = told(tmp_path, (0.25, 0.5))
    run = folder_of(study, 1)
    (run / "wandb").mkdir()
    files.write_json(run / "wandb" / "mirror.json", {"state": "complete", "mode": "offline", "folder": "wandb/x"})
    monkeypatch.chdir(study.folder.base.runs_dir.parent)
    printed = summary.write(study)
    assert f"make show RUN='my runs/{run.name}'\n" in printed
    assert "make dashboard ARGS=\"--runs-dir 'my runs'\"\n" in printed
    assert "make sync ARGS=\"--runs-dir 'my runs'\"" in printed
    assert "less 'my runs/studies/small/summary.md'" in printed


def test_what_is_one_is_spoken_of_as_one(tmp_path):
    printed = summary.write(told(tmp_path, (0.25, 0.5), {1: [0.5, 0.51]}, confirm=(1, 2)))
    assert "\nthe best again, on fresh seeds (means" in printed
    assert ", 1 degree of freedom; " in printed
    assert ": 1 trial in " in summary.write(told(tmp_path / "other", (0.25,)))


def broken(*_, **__):
    raise ValueError("a fault\nof two lines")


def test_what_cannot_be_drawn_or_weighed_costs_a_line_and_no_answer(tmp_path, monkeypatch, capsys):
    values = [0.1 * n for n in range(1, 10)]
    study = told(tmp_path, values)
    plain = summary.write(study)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(figures, "history", broken)
    monkeypatch.setattr(optuna.importance, "get_param_importances", broken)
    without = [line for line in plain.splitlines() if "varied with" not in line]
    assert summary.write(study).splitlines() == without
    assert capsys.readouterr().err.splitlines() == [
        "what the value varied with is left out: ValueError: a fault of two lines",
        "the figure search is not drawn: ValueError: a fault of two lines",
    ]
    kept = {path.name for path in (study.folder.path / "figures").iterdir()}
    assert kept == {"plane.png"}
    monkeypatch.setattr(drawing, "plain", broken)
    assert summary.write(study).splitlines() == without
    assert capsys.readouterr().err.splitlines()[1:] == ["the figures are not drawn: ValueError: a fault of two lines"]
    assert files.read_json(study.folder.path / "summary.json")["best"]["trial"] == 8


def test_the_answer_is_printed_where_it_cannot_be_kept(tmp_path, monkeypatch, capsys):
    study = told(tmp_path, (0.25, 0.5))
    monkeypatch.setattr(files, "write_json", lambda *_: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
    with pytest.raises(OSError, match="No space left"):
        summary.write(study)
    assert "best: trial 1, validation accuracy 0.5000" in capsys.readouterr().out
