"""What `tagging` cannot use ends in one line."""

import pytest

from experiments import tagging
from rnnkit.core import cli
from tests.experiments.test_tagging import conllu_of, made


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (conllu_of(made(9)), "9 sentences, and at least 10 are needed"),
        (conllu_of(made(20)).replace("\tPUNCT\t", "\t,\t", 1), "line 7, field UPOS: ',' is none of the 17"),
        (conllu_of(made(20))[:-1], "no empty line after the last sentence"),
        ("word,tag\nthis,PRON\n", "line 1: 1 fields with tabs between them, where CoNLL-U has 10"),
    ],
)
def test_a_file_that_cannot_be_used_ends_in_one_line_and_leaves_nothing(tmp_path, content, message):
    (tmp_path / "bad.conllu").write_text(content)
    with pytest.raises(tagging.UserError, match=message) as error:
        tagging.run(tagging.Config(data=str(tmp_path / "bad.conllu"), runs_dir=tmp_path / "runs", track="off"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "etw"], "--data must be ewt, python, or the path of a .conllu file, not etw"),
        (["--data", "missing.conllu"], "cannot read missing.conllu"),
        (["--reader-size", "-1"], "--reader-size must be 0 or more"),
        (["--letter-size", "0"], "--letter-size must be at least 1"),
        (["--word-dropout", "1"], "--word-dropout must be at least 0 and below 1"),
        (["--outer-dropout", "nan"], "--outer-dropout must be at least 0 and below 1"),
        (["--dropout", "0.5"], "--dropout acts between layers"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_2(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.setattr("sys.argv", ["tagging", *words, "--track", "off", "--runs-dir", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as stop:
        cli.main(tagging.main, settle=False)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()
