"""A study again from its seed: by another number of workers, and with workers and sweeps killed on the way."""

import dataclasses
import shutil
import sys

import pytest

from rnnkit.core.errors import UserError
from sweeps import reproduce
from sweeps.study import identity, points
from sweeps.study import study as studies
from tests.conftest import SETTINGS, SWEEP
from tests.helpers import ROOT, WORKER, new_study, no_account, run_command, run_here, tell
from tests.torture import sweeps as torture


def joined(runs):
    return studies.join(runs, "small", "journal", track="off")


def test_a_study_by_another_number_of_workers_is_the_same(swept, tmp_path):
    """14 trials, 2 of which TPE chose, and 4 runs on fresh seeds; `make torture` does it with the default study."""
    runs, _ = swept
    done = run_command("sweeps.reproduce", "small", "--workers", "3", "--to", tmp_path / "to", "--runs-dir", runs)
    assert done.returncode == 0, done.stdout + done.stderr
    sha = identity.digest(identity.outcomes(joined(runs)))
    assert "identical: study small, 14 trials and 4 runs on fresh seeds, " in done.stdout
    assert f"(SHA-256 {sha})" in done.stdout


def test_a_study_that_was_killed_again_and_again_is_the_same(swept, tmp_path):
    runs, _ = swept
    words = [sys.executable, "-m", *SWEEP, "--runs-dir", str(tmp_path / "runs"), "--track", "off", "--", *SETTINGS]
    moments = torture.Options(kills=3, parents=1, pause=(0.3, 0.8))
    killed = torture.disturbed(words, moments, no_account(), tmp_path / "said.log")
    assert (killed.workers, killed.parents) == (3, 1)
    check = reproduce.compare(joined(runs), joined(tmp_path / "runs"))
    assert check.difference is None
    assert check.compared > 5_000


def test_the_first_difference_is_named(tmp_path):
    found = []
    for value in (0.5, 0.5 + 2**-53):
        study = new_study(tmp_path / str(value), total=2)
        points.plan(study)
        for number in range(2):
            claim = points.claim(study, WORKER)
            claim.trial.report(0.25, 1)
            tell(claim, value if number else 0.75)
        found.append(identity.outcomes(study))
    assert identity.difference(found[0], found[0]) is None
    assert identity.difference(*found) == "trial 1, value: 0.5 and 0.5000000000000001"
    assert identity.digest(found[0]) != identity.digest(found[1])
    moved = {name: dataclasses.replace(one, run="elsewhere") for name, one in found[0].items()}
    assert identity.digest(moved) == identity.digest(found[0])
    fewer = {"trial 0": found[0]["trial 0"]}
    assert identity.difference(found[0], fewer) == "trial 1: there and not there"


def test_a_study_of_an_earlier_version_is_replayed_run_by_run(tmp_path, monkeypatch, capsys):
    """To the bit where processor and versions are those of the record; elsewhere the first difference is said."""
    runs = shutil.copytree(ROOT / "tests" / "fixtures" / "records", tmp_path / "runs")
    code, printed = run_here(reproduce, monkeypatch, capsys, "old", "--runs-dir", runs)
    assert printed.startswith("study old is of an earlier version, in which it depended on timing too: run by run")
    trained = [one for one in identity.outcomes(studies.join(runs, "old", "journal")).values() if one.weights]
    lines = [line for line in printed.splitlines() if "digits-s" in line]
    assert len(lines) == len(trained) >= 3
    assert code == (0 if all("identical, " in line for line in lines) else 1)


def test_what_cannot_be_replayed_is_one_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(UserError, match="there is no study none in"):
        run_here(reproduce, monkeypatch, capsys, "none", "--runs-dir", tmp_path)
    study = new_study(tmp_path, total=2)
    points.plan(study)
    with pytest.raises(UserError, match=r"study small has 2 trials left: python -m sweeps\.run goes on with it"):
        run_here(reproduce, monkeypatch, capsys, "small", "--runs-dir", tmp_path)
