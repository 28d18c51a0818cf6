"""Flags of a run, and a look into a network before it is trained."""

import pytest

from experiments import memory
from rnnkit.core.errors import UserError
from rnnkit.runs import printing
from rnnkit.runs.result import Result


def test_flags_stand_in_the_result_and_on_the_terminal(tmp_path, capsys):
    config = memory.Config(length=60, epochs=1, round=3, hidden_size=8, track="off", runs_dir=tmp_path)
    result = memory.run(config)
    assert Result.read(result.folder).flags == result.flags
    (flag,) = [flag for flag in result.flags if flag.name == "vanishing"]
    assert flag.value < flag.threshold == 1e-4
    printing.print_result(result)
    assert "flag: vanishing (encoder.l0.f): " in capsys.readouterr().out


@pytest.mark.parametrize(("words", "flagged"), [((), True), (("--init", "chrono"), False)])
def test_screening_says_before_training_what_may_be_wrong_and_leaves_nothing(
    words, flagged, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("sys.argv", ["memory", "--screen", "--runs-dir", str(tmp_path), *words])
    memory.main()
    said = capsys.readouterr().out
    assert ("vanishing (encoder.l0.f)" in said) == flagged
    assert ("before training: no flags" in said) != flagged
    assert list(tmp_path.iterdir()) == []


def test_screening_leaves_an_interrupted_run_of_the_same_settings_as_it_was(tmp_path, monkeypatch, capsys):
    config = memory.Config(length=20, epochs=2, round=2, hidden_size=4, track="off", runs_dir=tmp_path)

    def stop(evaluation, value):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memory.run(config, stop)
    (folder,) = tmp_path.iterdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    words = ["--length", "20", "--epochs", "2", "--round", "2", "--hidden-size", "4", "--runs-dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["memory", "--screen", *words])
    memory.main()
    assert f"{folder.name}, before training: " in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_screening_is_not_taken_for_a_training(tmp_path):
    with pytest.raises(UserError, match="--screen trains nothing"):
        memory.run(memory.Config(screen=True, runs_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []
