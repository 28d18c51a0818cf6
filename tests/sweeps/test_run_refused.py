"""What a sweep refuses, what it leaves behind where it cannot begin, and how it starts its workers."""

import threading

import optuna
import pytest

from experiments import digits
from rnnkit.core.errors import UserError
from sweeps import run, worker
from sweeps.analysis import summary
from sweeps.study import folders, local_workers
from sweeps.study import study as studies
from tests.helpers import a_trial, load, new_study, refused, tell


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seed=3"], "--seed is the sweep's own option: give it before the --"),
        (["--runs_dir", "elsewhere"], "--runs-dir is the sweep's own option: give it before the --"),
        (["--track", "off"], "--track is the sweep's own option: give it before the --"),
        (["--hidden-size", "5"], "--hidden-size is what the sweep varies: leave it out"),
        (["--hidden-size", "64"], "--hidden-size is what the sweep varies: leave it out"),  # the experiment's default
        (["--depth", "1"], "--depth is what the sweep varies: leave it out"),
        (["--cell", "lstm"], "--cell is what the sweep varies: leave it out"),
        (["--no-bidirectional"], "--bidirectional is what the sweep varies: leave it out"),
        (["--learning_rate", "1e-3"], "--learning-rate is what the sweep varies: leave it out"),
        (["--threads", "2"], "--threads is 1 in a sweep: choose with --workers, before the --, what it takes"),
        (["--clip", "0.5"], "--clip is what the sweep varies: leave it out"),
        (["--dropout", "0.3"], "--dropout is what the sweep varies: leave it out"),
        (
            ["--observe", "off", "--observe-every", "9"],
            "--observe-every has no effect with --observe off: leave one of them out",
        ),
    ],
)
def test_settings_that_a_trial_would_not_keep_are_refused_before_anything_is_written(tmp_path, flags, message):
    options = run.Options("digits", runs_dir=tmp_path / "runs")
    with pytest.raises(UserError) as caught:
        run.sweep(options, flags)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_gpus_for_workers_that_are_to_use_none_are_refused(tmp_path):
    options = run.Options("digits", runs_dir=tmp_path / "runs", gpus="0")
    with pytest.raises(UserError, match="^--gpus has no effect with --device cpu: leave one of them out$"):
        run.sweep(options, ["--device", "cpu"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confirm_seeds": 1}, "--confirm-seeds must be between 2 and 1,000, not 1"),
        ({"workers": 0}, "--workers 0 needs workers elsewhere, which find each other by --storage postgresql"),
        (
            {"workers": 0, "gpus": "all", "storage": "postgresql://me@host/x"},
            "--gpus is for workers here, and --workers",
        ),
        ({"confirm": 0, "confirm_seeds": 5}, "--confirm-seeds has no effect with --confirm 0"),
        ({"pruner": "percentile", "sampler": "grid"}, "--pruner percentile has no effect with --sampler grid"),
        ({"storage": "mysql://me:pw@host"}, r"--storage must be .*, not mysql://me:\*\*\*@host"),
        ({"storage": "postgresql://me@host:port/db"}, "holds an address that cannot be read: give postgresql://"),
        ({"storage": "postgresql://me@host:99999/db"}, "holds an address that cannot be read"),
        ({"storage": "postgresql://me@[::1/db"}, "holds an address that cannot be read"),
        ({"storage": "postgresql://me:se@cret@host/db"}, "with %40 for @"),
        ({"storage": "postgresql://me@host/d\x1b[2Jb"}, "holds an address that cannot be read"),
        ({"storage": "postgresql://"}, "--storage must be journal"),
        ({"study": "-x"}, "--study must be a name that does not begin with a dash, not -x"),
    ],
)
def test_options_that_cannot_be_used_are_named(options, message):
    with pytest.raises(UserError, match=message):
        run.Options("digits", **options)


def test_each_worker_has_a_gpu_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert run.visible_gpus("all") == ["0", "1", "2"]
    assert run.visible_gpus("2,0") == ["2", "0"]
    with pytest.raises(UserError, match="--gpus 3: there is no GPU '3', only 0, 1, 2"):
        run.visible_gpus("3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")  # as a scheduler says it
    assert run.visible_gpus("all") == ["5", "7"]

    says = tmp_path / "worker"
    says.write_text('#!/bin/sh\necho "sees $CUDA_VISIBLE_DEVICES"\n')
    says.chmod(0o755)
    monkeypatch.setattr(local_workers.sys, "executable", str(says))
    study = new_study(tmp_path / "runs", total=9)
    workers = local_workers.Workers(study, local_workers.slots(8, ["5", "7"]))
    workers.look(9)
    assert [slot.process.wait() for slot in workers.slots] == [0, 0]
    assert [workers.log(slot).read_text().splitlines()[-1] for slot in workers.slots] == ["sees 5", "sees 7"]
    workers.stop()


def test_what_dies_is_replaced_at_once_and_what_cannot_begin_ends_the_sweep(tmp_path, monkeypatch):
    dies = tmp_path / "worker"
    dies.write_text("#!/bin/sh\necho no library >&2\nexit 3\n")
    dies.chmod(0o755)
    monkeypatch.setattr(local_workers.sys, "executable", str(dies))
    workers = local_workers.Workers(new_study(tmp_path / "runs"), local_workers.slots(1, []))
    (slot,) = workers.slots
    started = []
    with pytest.raises(UserError, match="3 workers died before .* begin; the last line of worker-0.log: no library"):
        for _ in range(10):
            workers.look(1)
            started.append(slot.worker)
            slot.process.wait()
    assert len(set(started)) == 3


def test_what_is_each_workers_own_reaches_those_here_and_is_refused_where_none_is(tmp_path, monkeypatch):
    says = tmp_path / "worker"
    says.write_text('#!/bin/sh\necho error: "$@" in $RNNKIT_DATA >&2\nexit 2\n')
    says.chmod(0o755)
    monkeypatch.setattr(local_workers.sys, "executable", str(says))
    flags = ["--save-every", "7", "--data-dir", str(tmp_path / "data")]
    options = run.Options("digits", trials=2, workers=1, runs_dir=tmp_path / "runs", track="off")
    with pytest.raises(UserError, match=rf"--save-every 7 in {tmp_path}/data$"):
        run.sweep(options, flags)
    elsewhere = run.Options("digits", workers=0, storage="postgresql://me@host/x", runs_dir=tmp_path / "runs")
    with pytest.raises(UserError, match="^--save-every is for each worker to say.*give it to python -m sweeps.worker"):
        run.sweep(elsewhere, flags[:2])
    with pytest.raises(UserError, match="^--data-dir is not known elsewhere: set RNNKIT_DATA where workers run"):
        run.sweep(elsewhere, flags[2:])


def test_other_settings_are_kept_beside_the_sweeps_own(tmp_path):
    options = run.Options("digits", runs_dir=tmp_path, track="off", seed=5)
    base = run.base_config(options, ["--epochs", "3", "--patience=0"])
    assert (base.epochs, base.patience, base.runs_dir, base.track) == (3, 0, tmp_path, "off")


def test_what_the_search_varies_is_what_it_suggests():
    space = digits.SPACE
    assert all(set(space.suggest(optuna.trial.FixedTrial(point))) == set(point) for point in space.plane())
    assert space.varied() == set(space.suggest(optuna.trial.FixedTrial(space.plane()[1])))


def test_what_a_worker_could_not_do_ends_the_sweep_in_its_words(tmp_path, monkeypatch):
    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\necho a warning >&2\necho error: no room on the disk >&2\nexit 2\n")
    worker.chmod(0o755)
    monkeypatch.setattr(local_workers.sys, "executable", str(worker))
    with pytest.raises(UserError, match="^no room on the disk$"):
        run.sweep(run.Options("digits", trials=2, workers=2, runs_dir=tmp_path / "runs", track="off"), [])


@pytest.mark.parametrize("text", [None, "", "text,label\n"])
def test_a_study_of_data_that_cannot_be_read_leaves_nothing_behind(tmp_path, text):
    data = tmp_path / "reviews.csv"
    if text is not None:
        data.write_text(text)
    before = list(tmp_path.iterdir())
    options = run.Options("sentiment", trials=1, workers=1, runs_dir=tmp_path / "new" / "runs", track="off")
    with pytest.raises(UserError, match="reviews.csv"):
        run.sweep(options, ["--data", str(data)])
    assert list(tmp_path.iterdir()) == before


def failing_worker(tmp_path, monkeypatch):
    """Has sweeps start workers that end at once, as they do for data that cannot be read."""
    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\necho error: cannot read it >&2\nexit 2\n")
    worker.chmod(0o755)
    monkeypatch.setattr(local_workers.sys, "executable", str(worker))


def test_only_the_study_that_was_just_made_is_removed(tmp_path, monkeypatch):
    failing_worker(tmp_path, monkeypatch)
    new_study(tmp_path / "runs")  # "small", without a trial yet
    for name in ("small", "other"):
        options = run.Options("digits", trials=1, study=name, runs_dir=tmp_path / "runs", track="off")
        with pytest.raises(UserError, match="^cannot read it$"):
            run.sweep(options, [])
    assert [path.name for path in (tmp_path / "runs" / "studies").iterdir()] == ["small"]
    assert (tmp_path / "runs" / "studies" / "small" / "study.json").exists()
    _, study = load(tmp_path / "runs")
    assert len(study.trials) == 1


def test_a_study_in_a_database_that_cannot_be_reached_leaves_nothing_behind(tmp_path):
    """Else the same name could not be used with another storage."""
    nobody = "postgresql://nobody@127.0.0.1:1/sweeps"
    with pytest.raises(UserError, match="the database cannot be used"):
        run.sweep(run.Options("digits", trials=1, storage=nobody, runs_dir=tmp_path / "runs", track="off"), [])
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there_is_noticed_before_a_study_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="--device cuda: this machine has no GPU"):
        run.sweep(run.Options("digits", runs_dir=tmp_path / "runs"), ["--device", "cuda"])
    assert list(tmp_path.iterdir()) == []


def test_a_summary_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    tell(a_trial(new_study(tmp_path)), 0.5)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(summary, "write", full)
    with pytest.raises(UserError, match=r"cannot write .*small \(No space left on device\): make room"):
        run.sweep(run.Options("digits", trials=1, study="small", runs_dir=tmp_path, track="off", confirm=0), [])


def test_two_sweeps_with_other_settings_at_once_leave_one_study_that_can_be_continued(tmp_path):
    """Whoever comes first says what the study is, in its folder and in its storage alike."""
    bases = [digits.Config(runs_dir=tmp_path, track="off", epochs=epochs) for epochs in (1, 2, 3, 4)]
    refused, began = [], []

    def sweep(base):
        try:
            with folders.held(tmp_path, "small"):
                study = studies.create(folders.open_folder(tmp_path, "small", base, 0))
                began.append(study.folder.base.epochs)
        except UserError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=sweep, args=(base,)) for base in bases]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(began) + len(refused) == 4
    assert len(set(began)) == 1
    assert all("another config" in line or "swept by another process" in line for line in refused)
    with folders.held(tmp_path, "small"):
        studies.create(folders.open_folder(tmp_path, "small", bases[began[0] - 1], 0))


def test_a_study_that_cannot_begin_leaves_no_lock_behind(tmp_path):
    with pytest.raises(UserError, match="no"), folders.held(tmp_path / "runs", "small"):
        raise UserError("no")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["renamed", "linked"])
def test_a_study_under_another_name_is_not_begun_again(tmp_path, how):
    path = new_study(tmp_path).folder.path
    other = path.with_name("other")
    if how == "renamed":
        path.rename(other)
    else:
        other.symlink_to(path)
    with pytest.raises(UserError, match=r"other holds the study small: it was renamed, or is a link to it; give it"):
        folders.open_folder(tmp_path, "other", digits.Config(runs_dir=tmp_path, track="off"), 0)


def test_trials_of_a_study_train_on_the_data_of_the_first(tmp_path):
    study = new_study(tmp_path)
    study.admit({"x.csv": "abc", "words": "def"})
    study.admit({"words": "def", "x.csv": "abc"})
    again = studies.join(tmp_path, "small", "journal")
    for changed in ({"x.csv": "abd", "words": "def"}, {"x.csv": "abc"}, {}):
        with pytest.raises(UserError, match=r"started with other data \(.* changed since\): put them back"):
            again.admit(changed)


def test_a_trial_on_changed_data_waits_and_leaves_no_run(tmp_path):
    study = new_study(tmp_path, epochs=1)
    claim = a_trial(study)
    study.admit({"digits": "other"})
    with pytest.raises(UserError, match="other data"):
        worker.run_trial(claim, digits.run)
    assert study.trials.trials[0].state == optuna.trial.TrialState.WAITING
    assert list(tmp_path.glob("digits-*")) == []


def test_a_secret_in_a_setting_is_refused_before_a_study_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "correct-horse")
    options = run.Options("char_lm", runs_dir=tmp_path / "runs", track="off")
    with pytest.raises(UserError, match="--text holds the value of SOME_TOKEN"):
        run.sweep(options, ["--text", "/data/correct-horse.txt"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["digits", "--epochs", "5"], ["digits", "--epochs=5"]])
def test_a_setting_of_the_experiment_among_the_sweeps_own_is_told_its_place(words):
    done = refused("sweeps.run", *words)
    assert (
        done.stderr == 'error: --epochs is a setting of the experiment: give it after `--` (ARGS="-- --epochs ...")\n'
    )
