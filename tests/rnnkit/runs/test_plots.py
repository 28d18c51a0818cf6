"""Pictures of curves that are known, and of real runs, as files and at W&B."""

import json
import math
import subprocess
import sys
import time

import numpy as np
import pytest
from matplotlib import image, pyplot

from experiments import digits
from rnnkit.runs import plots
from rnnkit.runs.rows import read_rows
from tests import wandb_log
from tests.helpers import ROOT, offline_log


def curves(step, **more):
    units = {"timescale/encoder.l0.f": [1.0, 10.0, "Infinity"], "left/encoder.l0.f/i": [0.0, 1.0, 0.5]}
    units |= {"right/encoder.l0.f/i": [1.0, 0.0, 0.25], "lag/encoder.l0.f": [1.0, 0.1, 0.0, "NaN"]}
    units |= {"states/encoder.l0.f": [0.0, 0.0, 1.0, 1.0, 2.0, 0.0], "states-lengths": [2, 1]}
    units |= {"explained/encoder.l0.f": [0.75, 0.25], "eigenvalues/encoder.l0.f/W_hh": [0.5, -0.5, 0.25, -0.25]}
    units |= {"forgetting/encoder.l0.f": [-7.0, -8.0, "-Infinity"]}
    return {"step": step, **units, **more}


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_every_picture_has_a_title_axes_with_names_and_a_panel_for_each_direction():
    two = curves(7) | {name.replace("l0.f", "l0.b"): points for name, points in curves(7).items() if "l0.f" in name}
    for picture in plots.PICTURES.values():
        if picture is plots.losses:  # these are the whole net's
            continue
        figure = picture([two, two])
        assert figure.get_suptitle()
        axes = [axis for axis in figure.axes if axis.get_title()]
        assert [axis.get_title() for axis in axes] == ["encoder.l0.f", "encoder.l0.b"]
        assert all(axis.get_xlabel() and axis.get_ylabel() for axis in axes)


def test_losses_have_a_panel_for_what_there_is_and_a_line_for_the_first_and_last_evaluation():
    known = {"truncation/contexts": [1, 2, 3], "truncation/losses": [3.0, 2.0, 1.0], "loss/position": [1.0, 0.5]}
    figure = plots.losses([curves(5, **known), curves(7, **known), curves(9, **known)])
    assert [axis.get_title() for axis in figure.axes] == ["with no more than k inputs", "by step"]
    for axis in figure.axes:
        assert [line.get_label() for line in axis.get_lines()] == ["training step 5", "training step 9"]
        assert axis.get_xlabel()
        assert axis.get_ylabel() == "loss"
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [3.0, 2.0, 1.0]
    assert plots.losses([curves(5)]) is None


def test_the_heat_map_shows_what_is_left_by_lag_and_step():
    axis = plots.gradient_by_lag([curves(5), curves(10)]).axes[0]
    (shown,) = axis.get_images()
    values = np.ma.filled(shown.get_array(), math.nan)
    np.testing.assert_allclose(values, [[0, -1, -8, math.nan]] * 2)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["5", "10"]


def test_of_a_single_evaluation_there_is_a_curve_and_one_histogram():
    axis = plots.gradient_by_lag([curves(5)]).axes[0]
    np.testing.assert_allclose(axis.lines[0].get_ydata(), [0, -1, -8, math.nan])
    assert not axis.get_images()
    for given in (["5"], ["5", "9"]):
        axis = plots.timescales([curves(int(step)) for step in given]).axes[0]
        said = [text.get_text() for text in axis.get_legend().get_texts()]
        assert said == [f"training step {step}" for step in given]


def test_the_scatter_shows_each_unit_once():
    axis = plots.gate_saturation([curves(5)]).axes[0]
    (points,) = axis.collections
    np.testing.assert_allclose(points.get_offsets(), [[1, 0], [0, 1], [0.25, 0.5]])


def test_the_eigenvalues_lie_where_they_are_beside_the_unit_circle():
    axis = plots.eigenvalues([curves(5)]).axes[0]
    np.testing.assert_allclose(axis.collections[0].get_offsets(), [[0.5, 0.25], [-0.5, -0.25]])
    circle = axis.lines[0].get_xydata()
    np.testing.assert_allclose(np.hypot(*circle.T), 1)


def test_every_sequence_has_its_way():
    axis = plots.trajectories([curves(5)]).axes[0]
    ways = [line.get_xydata().tolist() for line in axis.lines if len(line.get_xydata()) > 1]
    assert ways == [[[0, 0], [1, 1]]]
    assert "75%" in axis.get_xlabel()


def test_what_is_not_there_is_not_drawn(tmp_path):
    assert plots.draw(tmp_path) == []
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "curves-000000005.json").write_text(json.dumps({"step": 5, "lag/encoder.l0.f": [1.0, 0.5]}))
    assert [path.name for path in plots.draw(tmp_path)] == ["gradient_by_lag.png"]


def test_a_picture_that_cannot_be_drawn_keeps_no_other_from_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "media").mkdir()
    for step in (5, 6):
        (tmp_path / "media" / f"curves-{step:09}.json").write_text(json.dumps(curves(step)))
    (tmp_path / "media" / "curves-000000007.json").write_text("{")
    monkeypatch.setitem(plots.PICTURES, "timescales", lambda _: 1 / 0)
    assert {path.stem for path in plots.draw(tmp_path)} == set(plots.PICTURES) - {"timescales", "losses"}
    lines = plots.not_drawn(tmp_path)
    assert lines == capsys.readouterr().err.splitlines()
    assert lines[0].startswith("some curves are left out: ")
    assert lines[1:] == ["the picture timescales is not drawn: ZeroDivisionError: division by zero"]
    (tmp_path / "media" / "curves-000000007.json").unlink()
    monkeypatch.undo()
    assert {path.stem for path in plots.draw(tmp_path)} == set(plots.PICTURES) - {"losses"}
    assert plots.not_drawn(tmp_path) == []


def test_without_matplotlib_a_line_says_what_brings_it(tmp_path, monkeypatch):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "curves-000000005.json").write_text(json.dumps(curves(5)))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plots.draw(tmp_path) == []
    (line,) = plots.not_drawn(tmp_path)
    assert line.startswith("pictures are not drawn: a picture needs matplotlib, which is not installed")


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_a_run_that_is_looked_at_in_full_has_its_pictures(cell, tmp_path):
    config = digits.Config(
        cell=cell, view="rows", epochs=1, hidden_size=4, observe="full", track="off", runs_dir=tmp_path
    )
    folder = digits.run(config).folder
    expected = {"gradient_by_lag", "eigenvalues", "trajectories", "forgetting", "losses"}
    expected |= {"gate_saturation", "timescales"} if cell == "lstm" else set()
    end = time.monotonic() + 60
    while {path.stem for path in plots.picture_files(folder)} != expected and time.monotonic() < end:
        time.sleep(0.1)
    assert {path.stem for path in plots.picture_files(folder)} == expected
    for path in plots.draw(folder):
        assert image.imread(path).shape[0] > 300


def test_wandb_gets_histograms_and_pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = digits.Config(view="rows", epochs=1, hidden_size=4, observe="full", track="offline", runs_dir=tmp_path)
    folder = digits.run(config).folder
    log = offline_log(folder)
    rows = wandb_log.rows(log)
    assert [row["step"] for row in rows] == [row["step"] for row in read_rows(folder)]
    assert {"histogram/log10 timescale/encoder.l0.f.bins", "histogram/left/encoder.l1.b/r.values"} <= set(rows[-1])
    summary = wandb_log.summary(log)
    assert {name for name in summary if name.startswith("pictures/")} == {
        f"pictures/{path.stem}" for path in plots.picture_files(folder)
    }


def test_of_damaged_curves_what_fits_is_drawn_and_the_rest_is_named():
    values = {"step": 3, "lag/a": [1, 0.5, "NaN", "Infinity"], "lag/b": 7, "left/a": [[1]], "x": ["y"], "z": [True]}
    found, damage = plots.told(values)
    assert list(found) == ["step", "lag/a"]
    assert found["lag/a"][:2] == [1, 0.5]
    assert math.isnan(found["lag/a"][2])
    assert found["lag/a"][3] == math.inf
    assert damage == ["lag/b is 7", "left/a is [[1]]", "x is ['y']", "z is [True]"]
    assert plots.told({"lag/a": [1]}) == ({"lag/a": [1]}, ["step is not there"])
    assert plots.told({"step": 1.5}) == ({}, ["step is 1.5"])


def test_a_run_without_curves_is_told_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rnnkit.runs.plots", tmp_path], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (2, f"error: {tmp_path} has no curves: train it with --observe full\n")
