"""What `make runs` and `make show` print."""

import re

import pytest

from experiments.digits import Config
from rnnkit.core.errors import UserError
from rnnkit.runs import folders, tracking
from sweeps import report, runs, show
from sweeps.reading.rows import Columns
from sweeps.reading.run_index import RunIndex
from tests.sweeps import made


@pytest.fixture
def printed(kinds, monkeypatch, capsys):
    """Runs a command on the runs of every kind, and gives what it prints."""

    def run(command, *words, runs_dir=kinds[0]):
        monkeypatch.setattr("sys.argv", [command.__name__, *words, "--runs-dir", str(runs_dir)])
        command.main()
        return capsys.readouterr().out

    return run


def test_all_runs_and_studies_are_listed(kinds, printed):
    out = printed(runs)
    for card in RunIndex(kinds[0]).runs():
        *_, line = [line for line in out.splitlines() if line.startswith(f"{card.name} ")]
        assert card.state in line
    (study,) = [line for line in out.splitlines() if line.startswith("small ")]
    assert re.search(r"digits +5 finished, 1 pruned, 1 diverged +accuracy \(validation\) 0\.\d{4}", study)
    best = max(
        (c for c in RunIndex(kinds[0]).runs() if c.study == "small" and c.state == "finished"), key=lambda c: c.value
    )
    assert best.name in study


def test_a_line_says_state_metric_seed_and_age(kinds, printed):
    (line,) = [line for line in printed(runs).splitlines() if line.startswith(f"{kinds[1]['flagged'].name} ")]
    _, state, metric, valid, test, steps, seed, age, took, *flags = re.split(r"  +", line)
    assert (state, metric, valid, test, steps, seed) == ("finished", "accuracy", "0.9832", "0.9050", "60", "5")
    assert re.fullmatch(r"\d+ (s|min)", age)
    assert took.endswith(" s")
    assert flags == ["too hot"]


def test_runs_are_chosen_by_state_study_and_number(printed):
    assert printed(runs, "--state", "running").splitlines()[1:] != []
    assert all(" pruned " in line for line in printed(runs, "--state", "pruned").splitlines()[1:])
    small = printed(runs, "--study", "small", "--last", "3").splitlines()
    assert len(small) == 5
    assert small[-1] == "... and 4 more: --last 0 lists all"
    with pytest.raises(UserError, match="there is no study nope in"):
        printed(runs, "--study", "nope")


def test_an_empty_folder_is_no_error(printed, tmp_path):
    assert printed(runs, runs_dir=tmp_path) == "no studies: make sweep makes one\nno runs\n"


@pytest.mark.parametrize(
    "kind", ["finished", "flagged", "pruned", "torn", "no result", "no manifest", "hostile", "live"]
)
def test_a_run_of_any_kind_is_shown(kinds, printed, kind):
    out = printed(show, str(kinds[1][kind]))
    assert out.startswith(f"{kinds[1][kind].name}: {RunIndex(kinds[0]).run(kinds[1][kind].name).state}")
    assert "loss/train" in out


def test_a_runs_scores_flags_and_curves_are_shown(kinds, printed):
    out = printed(show, kinds[1]["flagged"].name)
    assert "  accuracy (test): 0.9050\n" in out
    assert "  flag: too hot: encoder.l0.f/ih 0.02, head inf; threshold 0.01. Lower --learning-rate.\n" in out
    assert f"again:    make reproduce RUN={kinds[1]['flagged'].name}\n" in out
    (line,) = [line for line in out.splitlines() if line.startswith("metric/accuracy/valid")]
    assert re.split(r"  +", line) == ["metric/accuracy/valid", "▁▅▇▇██", "0.8995", "0.8995", "0.9832", "0.9832"]
    assert "speed/" not in out
    assert "grad_norm/encoder" not in out
    assert "speed/" in printed(show, kinds[1]["flagged"].name, "--all")


def test_a_study_is_shown_with_its_trials_best_first(printed):
    out = printed(show, "small")
    assert out.startswith(
        "study small: digits, 5 finished, 1 pruned, 1 diverged, 1 failed, 1 cut off, 1 stopped, 1 waiting\n"
    )
    assert "  Best: trial 4, validation accuracy 0.7000 in its one run (" in out
    assert re.search(r"\ntrial +state +validation accuracy +on its way +hidden size +depth +cell ", out)
    trials = [int(number) for number in re.findall(r"^ +(\d+)  \w", out, flags=re.M)]
    assert trials[:5] == [4, 3, 2, 1, 0]
    assert sorted(trials) == list(range(11))


def test_a_run_of_many_layers_fills_no_more_than_a_screen(printed, tmp_path):
    places = [f"encoder.l{layer}.{direction}" for layer in range(3) for direction in "fb"]
    row = {f"hidden/{place}/{what}": 0.5 for place in places for what in ("rms", "saturated", "dead", "drift")}
    row |= {f"gate/{place}/{gate}/sensitivity": 0.5 for place in places for gate in "ifgo"}
    row |= {f"memory/{place}/horizon": 5.0 for place in places} | {f"grad_norm/{place}/hh": 1.0 for place in places}
    with tracking.start(Config(runs_dir=tmp_path, track="off"), {}) as run:
        for step in (1, 2):
            run.log(step, {"loss/train": 1.0, "grad_norm/total": 1.0, "metric/accuracy/valid": 0.5, **row})
        run.finish()
    short, full = (printed(show, run.name, *words, runs_dir=tmp_path).splitlines() for words in ([], ["--all"]))
    assert len(short) <= 25
    assert len(full) > len(row)
    assert any(line.startswith("loss/train") for line in short)
    assert any(line.startswith("memory/encoder.l2.b/horizon") for line in short)


def test_a_terminal_without_blocks_shows_curves_in_ascii(kinds, printed, monkeypatch):
    monkeypatch.setattr(show.terminal, "can_show", lambda _: False)
    (line,) = [line for line in printed(show, kinds[1]["flagged"].name).splitlines() if line.startswith("metric/acc")]
    assert re.split(r"  +", line)[1] == "_+%%##"


def test_pictures_that_could_not_be_drawn_are_told_of(kinds, printed):
    path = kinds[1]["flagged"] / "media" / "not-drawn.txt"
    path.write_text("the picture losses is not drawn: no room\n")
    out = printed(show, kinds[1]["flagged"].name)
    path.unlink()
    assert "  the picture losses is not drawn: no room\n" in out


def test_a_name_that_is_close_was_meant(printed):
    for command, words in ((show, ["smal"]), (report, ["smal"])):
        with pytest.raises(UserError, match=r"there is no .*study smal.*did you mean small\?"):
            printed(command, *words)
        with pytest.raises(UserError, match=r"\(looked in /"):
            printed(command, *words)


def test_what_is_no_run_is_one_line(printed):
    with pytest.raises(UserError, match=r"^there is no run and no study nope \(looked in "):
        printed(show, "nope")


def test_the_beginning_of_a_runs_name_is_told_its_end(printed, tmp_path):
    folder = made.run(tmp_path, steps=2)
    for find in (
        lambda: printed(show, folder.name[:-9], runs_dir=tmp_path),
        lambda: folders.find("digits-s0", tmp_path),
    ):
        with pytest.raises(UserError, match=rf"there is no run .*: did you mean {folder.name}\?"):
            find()


def test_a_name_does_nothing_to_the_terminal(printed, tmp_path):
    folder = made.run(tmp_path, steps=2)
    odd = folder.rename(folder.with_name("a\x1b[2Jb"))
    for out in (printed(runs, runs_dir=tmp_path), printed(show, str(odd), runs_dir=tmp_path)):
        assert "\x1b" not in out
        assert "a?[2Jb" in out


@pytest.mark.parametrize(
    ("values", "log", "line"),
    [
        ([1.0, 2.0, 3.0], False, "▁▅█"),
        ([2.0, 2.0], False, "▁▁"),
        ([0.0, float("nan"), 1.0], False, "▁x█"),
        ([float("inf")], False, "x"),
        ([1.0, 10.0, 100.0, 0.0], True, "▁▅█x"),
        ([0.0] * 50 + [1.0] * 50, False, "▁▁▁▁▁█████"),
        ([], False, ""),
    ],
)
def test_a_curve_in_a_line(values, log, line):
    assert show.sparkline(values, 10, log) == line


def test_what_was_measured_once_has_no_curve():
    lines = show.curves(Columns(series={"loss/valid": ([3], [0.5]), "loss/train": ([2, 3], [1.0, 0.25])}), False)
    assert [line.split() for line in lines[2:]] == [
        ["loss/valid", "0.5000"],
        ["loss/train", "█▁", "1.0000", "0.2500", "1.0000", "0.2500"],
    ]
    assert len({len(line) for line in lines[1:]}) == 1  # the one value stands where last values do
