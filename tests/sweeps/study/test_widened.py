"""A study whose space is widened, and one that starts from another."""

import dataclasses

import pytest

from experiments.digits import SPACE, Config
from rnnkit.core import files
from rnnkit.core.errors import UserError
from sweeps.study import asked, folders, points, storage, suggestions
from sweeps.study import study as studies
from tests.helpers import WORKER, tell


def study_of(runs, *words, name="small", sampler="tpe", **settings):
    """A study of digits with what `--space` says, found or made."""
    base = Config(runs_dir=runs, track="off", **settings)
    searched = asked.space(SPACE, asked.ranges(words, base), base) if words else None
    wanted = folders.StudyFolder(runs / "studies" / name, base, 0, sampler, searched=searched)
    return studies.create(folders.opened(wanted))


def carried(study, total):
    """Carry a study to `total` trials, larger nets being better, and return their settings."""
    study.ask_for(total)
    points.plan(study)
    with study.storage.present(WORKER):
        while (claim := points.claim(study, WORKER)) is not None:
            tell(claim, claim.trial.params["hidden_size"] / 1000)
    return [trial.params for trial in study.trials.get_trials(deepcopy=False)]


def test_a_widened_study_goes_on_and_looks_where_it_could_not(tmp_path):
    before = carried(study_of(tmp_path, "hidden_size=8..32"), 14)
    assert max(params["hidden_size"] for params in before) <= 32
    study = study_of(tmp_path, "hidden_size=8..128", "learning_rate=1e-4..0.1")
    assert study.folder.earlier[0][0] == 14
    after = carried(study, 30)
    assert after[:14] == before
    assert max(params["hidden_size"] for params in after[14:]) > 64  # what lay inside still counts: larger is better
    stored = files.read_json(study.folder.path / "study.json")
    assert [one["until"] for one in stored["earlier"]] == [14]
    assert stored["space"]["studied"]["hidden_size"]["high"] == 128
    assert stored["versions"]
    joined = studies.join(tmp_path, "small", "journal", track="off")
    assert joined.folder.space == study.folder.space
    assert joined.folder.earlier == study.folder.earlier
    assert carried(study_of(tmp_path, "hidden_size=8..128", "learning_rate=1e-4..0.1"), 30) == after


def test_points_that_had_not_begun_are_of_the_wider_space(tmp_path):
    study = study_of(tmp_path, "hidden_size=8..16")
    study.ask_for(12)
    points.plan(study)
    tell(points.claim(study, WORKER), 0.5)
    wider = study_of(tmp_path, "hidden_size=8..128")
    assert wider.folder.earlier[0][0] == 1
    assert max(params["hidden_size"] for params in carried(wider, 12)[1:]) > 16


def test_a_study_keeps_its_own_space_where_none_is_asked_for(tmp_path):
    wide = study_of(tmp_path, "hidden_size=8..128")
    assert study_of(tmp_path).folder.space == wide.folder.space
    with pytest.raises(UserError, match=r"another space \(hidden_size 8..128, not 8..64\): it can be widened, not nar"):
        study_of(tmp_path, "hidden_size=8..64")
    with pytest.raises(UserError, match=r"another space \(batch_size unset, not 16..64\).* --from small"):
        study_of(tmp_path, "hidden_size=8..128", "batch_size=16..64")


def test_more_choices_can_be_had_later(tmp_path):
    before = carried(study_of(tmp_path, "cell=gru"), 10)
    assert {params["cell"] for params in before} == {"gru"}
    after = carried(study_of(tmp_path, "cell=gru,lstm"), 24)
    assert {params["cell"] for params in after[10:]} == {"gru", "lstm"}


def test_a_study_that_starts_from_another_knows_what_that_one_found(tmp_path):
    old = study_of(tmp_path, name="old")
    carried(old, 24)
    alone, with_it = study_of(tmp_path, name="alone"), study_of(tmp_path, name="with-it")
    with_it.start_from(old)
    sizes = [[params["hidden_size"] for params in carried(study, 8)] for study in (alone, with_it)]
    assert sum(sizes[1]) > 1.3 * sum(sizes[0])
    again = study_of(tmp_path, name="with-it")
    again.start_from(old)  # the same command goes on
    with pytest.raises(UserError, match="cannot start from alone: it started from old"):
        again.start_from(alone)
    with pytest.raises(UserError, match="cannot start from old: it has begun without"):
        alone.start_from(old)


def test_trials_outside_of_the_space_are_not_learned_from(tmp_path):
    """A trial with a value that cannot be any more would have the sampler suggest what nobody asked for."""
    old = study_of(tmp_path, "hidden_size=64..200", name="old")
    carried(old, 24)
    study = study_of(tmp_path, "hidden_size=8..32", name="new")
    study.start_from(old)
    fresh = study_of(tmp_path, "hidden_size=8..32", name="fresh")
    assert carried(study, 12) == carried(fresh, 12)


def test_a_grid_has_the_same_seeds_for_all_its_points(tmp_path):
    base = Config(runs_dir=tmp_path, track="off")
    grid, _ = asked.grid(asked.choices(["cell=lstm,gru", "hidden_size=16,32"], base), base)
    wanted = folders.StudyFolder(
        tmp_path / "studies" / "g", base, 3, "grid", searched=suggestions.Space.of_points(grid)
    )
    study = studies.create(folders.opened(wanted))
    study.ask_for(20)
    points.plan(study)
    claims = [points.claim(study, WORKER) for _ in range(1)]
    tell(claims[0], 0.5)
    configs = [study.folder.config(number, grid[number % 4]) for number in range(20)]
    assert [config.seed for config in configs] == [30_000 + number // 4 for number in range(20)]
    assert {(config.cell, config.hidden_size) for config in configs} == {
        (c, h) for c in ("lstm", "gru") for h in (16, 32)
    }
    old = dataclasses.replace(study.folder, lag=None)  # begun by an earlier version
    assert [old.config(number, {}).seed for number in range(3)] == [30_000, 30_001, 30_002]
    assert storage.id_of(claims[0].trial) is not None
