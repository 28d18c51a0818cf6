import base64
import dataclasses
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import quote

import pytest
import wandb

from experiments import char_lm
from experiments.digits import Config
from rnnkit.core import UserError, files, surroundings
from rnnkit.mirror import follow
from rnnkit.runs import mirror_client, tracking
from rnnkit.runs.folders import RunContext
from rnnkit.runs.manifest import Manifest, Membership
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests import wandb_log
from tests.helpers import ROOT, mirrored, no_account, offline_log


@pytest.fixture
def recorded(tmp_path):
    """A run of a study whose record is complete, and nobody has mirrored."""
    config = Config(runs_dir=tmp_path / "runs", track="off", cell="lstm")
    context = RunContext(Membership(study="a-study", trial=3, point=1))
    with tracking.start(config, {"digits": "abc"}, context) as run:
        for step, odd in enumerate([float("nan"), float("inf"), -float("inf"), 0.0, 1e-300], start=1):
            run.log(step, {"loss/train": 1 / step, "odd": odd})
        run.finish(metrics={"metric/accuracy/test": 0.75})
    return run.folder


def mirror_process(folder, before="", track="offline", **environment):
    """Have a mirror process of its own carry out one order, after the Python statements `before`."""
    code = f"import sys\n{before}\nfrom rnnkit.mirror import follow\nfollow.main()"
    order = json.dumps({"folder": str(folder), "track": track}) + "\n"
    environment = no_account() | environment
    subprocess.run([sys.executable, "-c", code], input=order, text=True, env=environment, cwd=ROOT, check=True)
    return mirror_client.state(folder)


def test_a_run_is_mirrored_whole(recorded):
    """What W&B's file holds is exactly what metrics.jsonl holds, with the configuration, the group and the end."""
    state = mirror_process(recorded)
    assert (state["state"], state["mode"], state["rows"]) == ("complete", "offline", 5)
    log = offline_log(recorded)
    held, logged = wandb_log.rows(log), read_rows(recorded)
    assert [files.encode(row) for row in held] == [files.encode(row) for row in logged]  # nan is not equal to nan
    run = wandb_log.run(log)
    assert (run.run_group, run.job_type, run.display_name) == ("a-study", "trial", recorded.name)
    assert sorted(run.tags) == ["digits", "lstm"]
    config = wandb_log.config(log)
    manifest = files.read_json(recorded / "manifest.json")
    assert {k: config[k] for k in manifest["config"]} == manifest["config"]
    assert (config["study"], config["trial"], config["point"], config["data"]) == (
        "a-study",
        3,
        1,
        {"digits": "abc"},
    )
    summary = wandb_log.summary(log)
    assert (summary["status"], summary["metric/accuracy/test"]) == ("finished", 0.75)


def test_no_secret_is_in_any_file_of_a_run_or_of_its_mirror(tmp_path, monkeypatch):
    """Of the environment, in addresses, in an error; plain, in base64, as part of an address."""
    secrets = {
        "MY_PASSWORD": "canary+of/password=1",
        "A_TOKEN": "canary-of-token",
        "WANDB_API_KEY": "canary123" * 4 + "4567",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    address = f"https://ann:canary-of-address@host/{secrets['A_TOKEN']}.txt"
    with (
        pytest.raises(ValueError, match="no login"),
        tracking.start(char_lm.Config(runs_dir=tmp_path, track="off"), data={"text": "abc"}) as run,
    ):
        run.log(1, {"loss/train": 1.0})
        raise ValueError(f"no login with {secrets['WANDB_API_KEY']} at {address} as ann:{secrets['MY_PASSWORD']}")
    reason = "ValueError: no login with *** at https://***@host/***.txt as ann:***"
    assert Result.read(run.folder).reason == reason
    assert mirror_process(run.folder, **secrets)["state"] == "complete"
    log = offline_log(run.folder)
    assert wandb_log.summary(log)["reason"] == reason
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert {"manifest.json", "metrics.jsonl", "result.json", log.name} <= {path.name for path in files}
    for secret in [*secrets.values(), "canary-of-address"]:
        for written in (secret.encode(), base64.b64encode(secret.encode()), quote(secret, safe="").encode()):
            assert not [path for path in files if written in path.read_bytes()], written


@pytest.mark.parametrize(("experiment", "study"), [("x" * 64, None), ("y" * 65, "s" * 100), ("z" * 200, "s")])
def test_long_names_are_cut_to_what_the_server_takes(recorded, experiment, study):
    named = {"experiment": experiment, "run": f"{experiment}-s{2**62}-0123abcd", "member": Membership(study=study)}
    options = follow._options(dataclasses.replace(Manifest.read(recorded), **named))
    assert all(1 <= len(tag) <= 64 for tag in options["tags"])
    assert len(options["id"]) <= 128
    assert len(options["name"]) <= 128
    assert options["name"].endswith("-0123abcd")
    assert f"-s{2**62}-0123abcd-" in options["id"]
    assert wandb.Settings(run_tags=options["tags"], run_id=options["id"], run_name=options["name"]).run_id


def test_an_empty_project_is_no_project(recorded, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "")
    assert follow._options(Manifest.read(recorded))["project"] == "rnnkit"


def test_what_wandb_refuses_is_told_in_a_line(recorded):
    reason = mirror_process(recorded, WANDB_TAGS="t" * 80)["reason"]
    assert "80 characters" in reason
    assert reason.isprintable()


def test_rows_that_the_file_does_not_hold_are_noticed(recorded):
    lies = "from rnnkit.mirror import follow, wandb_log; follow.FLUSHED = 0; wandb_log.count = lambda path: 3"
    state = mirror_process(recorded, lies)
    assert state["state"] == "failed"
    assert state["reason"] == "W&B's file holds 3 of 5 rows"


def looked_into(folder, damaged=True):
    """Make a recorded run one with `--observe full`; if `damaged`, some curves are, and a picture is none."""
    manifest = files.read_json(folder / "manifest.json")
    files.write_json(folder / "manifest.json", manifest | {"config": manifest["config"] | {"observe": "full"}})
    (folder / "media").mkdir()
    (folder / "media" / "curves-000000002.json").write_text('{"step": 2, "lag/encoder.l0.f": [1.0, 0.5]}')
    if damaged:
        (folder / "media" / "curves-000000001.json").write_text('{"step": 1, "timescale/a": "x"}')
        (folder / "media" / "forgetting.png").write_text("no picture")


def test_what_cannot_be_copied_costs_a_line_and_no_score(recorded):
    """Nor do variables matter that a notebook or a job has set for another run of W&B's."""
    looked_into(recorded)
    unwanted = {"WANDB_RUN_ID": "other", "WANDB_NAME": "other", "WANDB_RESUME": "must", "WANDB_RUN_GROUP": "other"}
    unwanted |= {"WANDB_SERVICE": "3-1-tcp-localhost-1", "WANDB_DIR": "/nonexistent", "WANDB_CONSOLE": "bogus"}
    environment = surroundings.passed_on(no_account() | unwanted)
    order = json.dumps({"folder": str(recorded), "track": "offline"}) + "\n"
    words = [sys.executable, "-m", "rnnkit.mirror"]
    subprocess.run(words, input=order, text=True, env=environment, cwd=ROOT, check=True)
    state, log = mirror_client.state(recorded), offline_log(recorded)
    assert (state["state"], state["rows"], wandb_log.run(log).display_name) == ("complete", 5, recorded.name)
    summary = wandb_log.summary(log)
    assert (summary["status"], summary["metric/accuracy/test"]) == ("finished", 0.75)
    said = ["histograms are missing: ", "some curves are left out: ", "the picture gradient_by_lag is not drawn: "]
    said += ["the picture forgetting is not"]
    assert [line[: len(begins)] for line, begins in zip(state["missing"], said, strict=True)] == said


def test_pictures_are_drawn_where_there_is_no_copy(recorded):
    looked_into(recorded, damaged=False)
    mirror_process(recorded, track="auto", WANDB_MODE="disabled")
    assert [path.name for path in (recorded / "media").glob("*.png")] == ["gradient_by_lag.png"]


@pytest.mark.parametrize("mode", ["disabled", "offline"])
def test_what_wandb_was_told_for_this_folder_is_obeyed(tmp_path, mode):
    """`wandb disabled` writes it."""
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text(f"[default]\nmode = {mode}\n")
    code = "from rnnkit.mirror import follow; print(follow.mode_for('auto'))"
    environment = no_account() | {"WANDB_API_KEY": "k" * 40}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split()[-1:] == [mode], done.stderr


def test_a_path_that_wandb_cannot_take_is_said_in_words(tmp_path):
    with pytest.raises(UserError, match="W&B takes no path that is not UTF-8: choose another folder with --runs-dir"):
        follow.Server().begin({}, tmp_path / "x\udcff", "offline", goes_on=False)


def test_a_mirror_without_wandb_says_so(recorded):
    state = mirror_process(recorded, "sys.modules['wandb'] = None")  # as where it is not installed
    assert state["state"] == "failed"
    assert "wandb" in state["reason"]


def test_a_server_that_is_not_there_leaves_the_whole_run_offline(recorded):
    """With a login, and nothing that answers at the server's address."""
    address = {"WANDB_API_KEY": "k" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    state = mirror_process(recorded, "from rnnkit.mirror import follow; follow.INIT_TIMEOUT = 0.5", "online", **address)
    assert (state["state"], state["mode"], state["rows"]) == ("complete", "offline", 5), state
    assert len(wandb_log.rows(offline_log(recorded))) == 5
    assert [path.name for path in recorded.glob("wandb/*run-2*")] == [state["folder"].split("/")[1]]


def test_a_mode_that_wandb_does_not_know_is_named_in_one_line(recorded):
    state = mirror_process(recorded, track="auto", WANDB_MODE="bogus")
    assert state["state"] == "failed"
    assert state["reason"] == ("WANDB_MODE is 'bogus': it must be one of online, offline, disabled, dryrun, shared")


def test_a_run_that_cannot_be_mirrored_stops_no_other(recorded, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    folders = [tmp_path / "gone", tmp_path / "broken", recorded]
    orders = "".join(json.dumps({"folder": str(folder), "track": "offline"}) + "\n" for folder in folders)
    subprocess.run([sys.executable, "-m", "rnnkit.mirror"], input=orders, text=True, env=no_account(), check=True)
    states = [mirror_client.state(folder) for folder in folders]
    assert [state.get("state") for state in states] == [None, "failed", "complete"], states
    assert not folders[0].exists()


@pytest.mark.parametrize(
    ("track", "environment", "mode"),
    [
        ("auto", {}, "offline"),
        ("auto", {"WANDB_API_KEY": "too short"}, "offline"),
        ("auto", {"WANDB_API_KEY": "k" * 40, "WANDB_MODE": "disabled"}, "disabled"),
        ("auto", {"WANDB_MODE": "dryrun"}, "offline"),
        ("offline", {"WANDB_MODE": "online"}, "offline"),
    ],
)
def test_the_mode_is_found_without_a_prompt(track, environment, mode):
    """On a terminal, where wandb would ask: nothing is asked, and the answer comes at once."""
    code = f"from rnnkit.mirror import follow; print('mode:', follow.mode_for({track!r}))"
    terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=no_account() | environment,
        stdin=terminal[1],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=20,
    )
    for end in terminal:
        os.close(end)
    assert f"mode: {mode}" in done.stdout


def test_the_tail_sees_each_row_once_while_the_record_grows(tmp_path):
    (tmp_path / "wandb").mkdir()
    path, gone = tmp_path / "metrics.jsonl", threading.Event()

    def write():
        with path.open("wb", buffering=0) as file:
            for step in range(40):
                line = json.dumps({"step": step}).encode() + b"\n"
                file.write(line[:4])
                time.sleep(0.005)
                file.write(line[4:])
        gone.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert [row["step"] for row in follow.tail(tmp_path, gone)] == list(range(40))
    writer.join()


KILLED = """
import os, signal, sys, time
from pathlib import Path
from experiments.digits import Config
from rnnkit.runs import mirror_client, tracking
with tracking.start(Config(runs_dir=Path(sys.argv[1]), track="offline"), data={}) as run:
    for step in range(1, 4):
        run.log(step, {"loss/train": 1.0 / step})
    while mirror_client.state(run.folder).get("state") != "following":
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_mirror_outlives_a_killed_run_and_says_what_became_of_it(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, env=no_account(), timeout=60)
    assert done.returncode == -signal.SIGKILL
    (folder,) = (path.parent for path in tmp_path.glob("*/manifest.json"))
    assert mirrored(folder)["state"] == "complete"
    log = offline_log(folder)
    assert wandb_log.rows(log) == read_rows(folder)
    assert len(wandb_log.rows(log)) == 3
    assert wandb_log.summary(log)["status"] == "killed"
