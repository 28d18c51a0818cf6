"""The check for GPUs, tried without one: what it finds, says and writes."""

import sys
from types import SimpleNamespace

import pytest

import experiments
from experiments import reproduce
from rnnkit.core.errors import UserError
from tests.gpu import __main__ as check
from tests.gpu import timing, training
from tests.helpers import ROOT


TINY = ("memory", "", "--length 10 --epochs 2 --round 2 --hidden-size 4 --depth 1")
PAGE = "# Before\n\n<!-- figures -->\n\nold\n\n<!-- end of figures -->\n\nafter\n"


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["tests.gpu", *map(str, words)])
    check.main()


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    page = tmp_path / "gpu.md"
    page.write_text(PAGE)
    run(monkeypatch, "--write", page)
    assert (
        capsys.readouterr().out
        == "no GPU that torch can use: nothing was checked, and docs/machines/gpu.md stays as it is\n"
    )
    assert page.read_text() == PAGE


def test_a_whole_check_on_the_cpu(monkeypatch, capsys, tmp_path):
    cases = {"memory": TINY, "memory of elsewhere": ("memory", "none_such", "")}
    monkeypatch.setattr(training, "CASES", cases)
    monkeypatch.setenv("RNNKIT_DATA", str(tmp_path))
    page = tmp_path / "gpu.md"
    page.write_text(PAGE)
    run(monkeypatch, "--device", "cpu", "--write", page)
    said = capsys.readouterr().out
    assert "memory: 4 steps, the same stopped and replayed\n" in said
    assert f"memory of elsewhere: left out, as its data set none_such is not in {tmp_path}\n" in said
    assert "layers: 6 comparisons with torch.nn's and 3 with the CPU's\n" in said
    written = page.read_text()
    assert written.startswith("# Before\n\n<!-- figures -->\n\nMeasured on a processor, ")
    assert written.endswith(" |\n\n<!-- end of figures -->\n\nafter\n")
    assert "old" not in written
    assert [line for line in written.splitlines() if line.startswith("| memory | 4 |")]
    assert len([line for line in written.splitlines() if line.startswith(("| RNN", "| GRU", "| LSTM"))]) == 6


def test_what_does_not_hold_ends_with_1_and_is_named(monkeypatch, capsys, tmp_path):
    """A run that cannot be stopped, and a replay that is another run; layers that are apart; a device that lies."""
    monkeypatch.setattr(training, "CASES", {"memory": TINY})
    monkeypatch.setattr(training, "stopped", lambda run, config, runs: None)
    other = lambda folder, options: experiments.load("memory").run(
        training.config_of("memory", "cpu", folder, options.to).changed(seed=1)
    )
    monkeypatch.setattr(reproduce, "replay_run", other)
    monkeypatch.setattr(timing, "measure", lambda kind, shape, packed, device: SimpleNamespace(**FAR, kind=kind))
    monkeypatch.setattr(timing, "seen_beside_the_cpu", lambda kind, device: 0.5 if kind == "GRU" else 0.0)
    monkeypatch.setattr(timing, "SMALL", ((1, 2, 3, 4),))
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--device", "cpu")
    assert ended.value.code == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("8 did not hold: GRU: what is observed is 5.0e-01 apart from the CPU's; RNN (1, 2, 3, 4): ")
    assert "stopped and gone on: it could not be stopped; replayed: not the same at step 1" in last


FAR = {"shape": (1, 2, 3, 4), "packed": True, "ours": 1.0, "torchs": 1.0, "observed": 1.0, "apart": 0.5}


def test_what_has_not_begun_in_time_is_left_out_and_nothing_chosen_is_refused(monkeypatch, capsys):
    run(monkeypatch, "--device", "cpu", "--minutes", "1e-9", "--only", "digits")
    assert "digits: left out, as 1e-09 minutes were over\n" in capsys.readouterr().out
    with pytest.raises(UserError, match="--only nonsense chooses nothing: take layers, or of digits; memory"):
        run(monkeypatch, "--device", "cpu", "--only", "nonsense")


def test_a_page_without_a_place_for_figures_is_named_and_left(tmp_path):
    page = tmp_path / "gpu.md"
    page.write_text("nothing")
    with pytest.raises(UserError, match=r"gpu.md has no place for figures"):
        check.renew(page, "new")
    assert page.read_text() == "nothing"
    with pytest.raises(UserError, match="cannot be renewed: No such file"):
        check.renew(tmp_path / "none.md", "new")


def test_every_experiment_has_a_case_that_needs_no_data_set_and_the_page_a_place(tmp_path):
    assert {experiment for experiment, needed, _ in training.CASES.values() if not needed} == set(experiments.names())
    training.write_data(tmp_path)
    for name in training.CASES:
        assert training.config_of(name, "cpu", tmp_path, tmp_path).device == "cpu"
    page = (ROOT / "docs" / "machines" / "gpu.md").read_text()
    assert all(page.count(mark) == 1 for mark in check.MARKS)
