"""Groups of runs as they are named: studies, runs, patterns; with settings, and grouped by some."""

import pytest

from rnnkit.core import UserError, files
from sweeps.reading import RunIndex, configurations, groups, studies
from tests.sweeps import made
from tests.sweeps.analysis.test_summary import told


ACCURACY = "metric/accuracy/test"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Runs of two cells with two hidden sizes, three seeds each; what differs in the score is the seed alone."""
    runs = tmp_path_factory.mktemp("groups")
    for cell in ("lstm", "gru"):
        for size in (8, 16):
            for seed in range(3):
                made.run(runs, seed=seed + (size == 16) * 10, cell=cell, hidden_size=size, steps=10)
    made.run(runs, "diverged", seed=3, cell="lstm", hidden_size=8, steps=10)
    made.run(runs, seed=0, cell="lstm", hidden_size=8, steps=10)  # a repeat, which gets -2
    return RunIndex(runs)


def finished(index):
    """The name of a run that finished."""
    return next(card.name for card in index.runs() if card.state == "finished")


def shape(found):
    return {group.name: len(group.runs) for group in found}


def test_runs_by_a_pattern_are_grouped_by_their_settings_and_named_by_what_differs(index):
    found = groups.groups(index, ["digits-s*"])
    assert shape(found) == {f"cell {cell}, hidden size {size}": 3 for cell in ("lstm", "gru") for size in (8, 16)}
    group = next(group for group in found if group.name == "cell lstm, hidden size 8")
    assert list(group.scores[ACCURACY]) == [0, 1, 2]
    assert group.scores[ACCURACY] == {seed: pytest.approx(0.9 + seed / 1_000) for seed in range(3)}
    assert group.left_out == {"diverged": 1}
    assert "seed" not in group.settings


def test_a_repeat_of_a_run_is_no_second_seed(index):
    assert index.run(next(card.name for card in index.runs() if card.name.endswith("-2"))).seed == 0
    (group,) = groups.groups(index, ["digits-s*:cell=lstm,hidden_size=8"])
    assert len(group.runs) == 3


def test_a_group_is_given_again_by_a_loop_over_its_seeds(index):
    (group,) = groups.groups(index, ["digits-s*:cell=lstm,hidden-size=8"])
    assert group.commands == [
        "for seed in 0 1 2; do python -m experiments.digits --cell lstm --hidden-size 8 --seed $seed; done"
    ]
    (alone,) = groups.groups(index, [finished(index)])
    assert alone.commands == [index.manifest(alone.runs[0])["command"]]


def test_by_a_setting_each_group_is_the_best_configuration_on_the_validation_part(index):
    """Which is that with the lower seeds: the validation score of a made run falls with its seed."""
    found = groups.groups(index, ["digits-s*"], ["cell"])
    assert shape(found) == {"cell lstm": 3, "cell gru": 3}
    assert {group.settings["hidden_size"] for group in found} == {8}
    assert {group.chosen for group in found} == {
        "the best of 2 configurations on the validation part of these same runs, which flatters it"
    }


def test_several_words_are_told_apart_by_their_names(index):
    found = groups.groups(index, ["digits-s*:cell=lstm,hidden_size=8", "digits-s*:cell=gru,hidden_size=8"])
    assert list(shape(found)) == ["digits-s*:cell=lstm,hidden_size=8", "digits-s*:cell=gru,hidden_size=8"]
    name = finished(index)
    assert list(shape(groups.groups(index, [name, name]))) == [f"{name} (1)", f"{name} (2)"]


@pytest.mark.parametrize(
    ("word", "by", "why"),
    [
        ("digit-s0", [], r"there is no study and no run digit-s0 \(looked in .*did you mean digits-s"),
        ("x*", [], r"there is no run like x\* \(looked in "),
        ("digits-s*:cells=lstm", [], "these runs have no setting cells"),
        ("digits-s*:cell=rnn", [], "no run of these has finished yet, or none with these settings"),
        ("digits-s3*", [], "no run of these has finished yet"),
        ("digits-s*:cell", [], "after the colon come settings, as in NAME:cell=lstm,depth=2"),
        ("digits-s*:=lstm", [], "after the colon come settings"),
        ("digits-s*", ["colour"], "has no setting colour to group by"),
    ],
)
def test_what_names_nothing_is_refused_in_a_line(index, word, by, why):
    with pytest.raises(UserError, match=why):
        groups.groups(index, [word], by)


# Studies.


AGAIN = {2: [0.70, 0.72, 0.71], 4: [0.80, 0.83, 0.84]}
FOUND = (0.1, 0.3, 0.9, 0.2, 0.85, 0.4)


def test_of_one_study_each_configuration_that_was_run_again_is_a_group(tmp_path):
    study = told(tmp_path, FOUND, AGAIN, confirm=(2, 3), sampler="random")
    index = RunIndex(study.folder.base.runs_dir)
    found = groups.groups(index, ["small"])
    assert [len(group.runs) for group in found] == [3, 3]
    scores = [list(group.scores["metric/accuracy/valid"].values()) for group in found]
    assert scores == [AGAIN[4], AGAIN[2]]
    assert not any(group.chosen for group in found)


def test_a_study_beside_others_is_what_its_answer_is_of(tmp_path):
    study = told(tmp_path, FOUND, AGAIN, confirm=(2, 3), sampler="random")
    index = RunIndex(study.folder.base.runs_dir)
    run = made.run(index.root, seed=3, steps=10)
    first, second = groups.groups(index, ["small", run.name])
    assert first.runs == studies.read(index, "small").summary.best.runs
    assert first.chosen == "the best on the validation part of 2 configurations that were run again on fresh seeds"
    assert (first.name, second.name, second.runs) == ("small", run.name, [run.name])


def test_a_study_without_fresh_seeds_has_its_finished_configurations(tmp_path):
    study = told(tmp_path, FOUND, sampler="grid")
    found = groups.groups(RunIndex(study.folder.base.runs_dir), ["small"])
    assert len(found) == 6
    assert {len(group.runs) for group in found} == {1}


def test_by_a_setting_what_was_run_again_stands_for_its_value(tmp_path):
    """Trial 2 was found with the best value of all; on fresh seeds trial 4 is better."""
    study = told(tmp_path, FOUND, AGAIN, confirm=(2, 3), sampler="random")
    index = RunIndex(study.folder.base.runs_dir)
    (group,) = groups.groups(index, ["small"], ["init"])
    assert list(group.scores["metric/accuracy/valid"].values()) == AGAIN[4]


def test_whether_lower_is_better_comes_from_the_study_the_experiment_or_the_metric(tmp_path):
    study = told(tmp_path, (0.25, 0.5))
    index = RunIndex(study.folder.base.runs_dir)
    run = index.runs()[0]
    assert not configurations.lower_is_better(index, ACCURACY, run)
    assert configurations.lower_is_better(index, "metric/perplexity/test", run)
    path = index.study("small") / "study.json"
    described = files.read_json(path)
    described["space"]["lower_is_better"] = True
    files.write_json(path, described)
    assert configurations.lower_is_better(RunIndex(index.root), ACCURACY, run)


def test_a_command_that_is_damaged_costs_no_comparison(tmp_path):
    folder = made.run(tmp_path, seed=0, steps=10)
    files.write_json(folder / "manifest.json", files.read_json(folder / "manifest.json") | {"command": "python 'x"})
    (group,) = groups.groups(RunIndex(tmp_path), [folder.name])
    assert (group.commands, group.runs) == ([], [folder.name])


def test_data_that_differ_and_other_experiments_are_told_of(tmp_path):
    first = made.run(tmp_path, seed=0, steps=10)
    second = made.run(tmp_path, seed=0, steps=10, cell="lstm")
    index = RunIndex(tmp_path)
    both = lambda: groups.warnings(index, groups.groups(index, [first.name, second.name]))
    assert both() == []
    manifest = files.read_json(second / "manifest.json")
    files.write_json(second / "manifest.json", manifest | {"data": {"digits": "other"}})
    assert both() == ["They were not all trained on the same data: a difference can be of the data."]
    files.write_json(second / "manifest.json", manifest | {"experiment": "pixels"})
    assert both() == [
        "These are of different experiments, digits and pixels: a difference is of the tasks, and says nothing of the "
        "nets."
    ]
