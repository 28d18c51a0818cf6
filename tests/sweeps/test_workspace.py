"""What arrives at a W&B server: runs while they are recorded, and the saved view of their project."""

import json
import os
import re
import subprocess
import sys

import pytest

import experiments
from experiments import digits
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs import flags, mirror_client
from rnnkit.runs.manifest import Membership
from rnnkit.runs.rows import read_rows
from sweeps import workspace
from sweeps.reading.sections import SECTIONS
from tests import wandb_server
from tests.helpers import ROOT, no_account
from tests.sweeps import made


pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")  # in wandb-workspaces


@pytest.fixture
def server():
    with wandb_server.running() as found:
        yield found


def python(code, server, **more):
    """Run Python code in a process of its own that is logged in at the server."""
    environment = no_account() | server.environment()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, text=True, capture_output=True, timeout=120, **more
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_arrives_with_group_tags_settings_rows_and_flags(tmp_path, server):
    folder = made.run(tmp_path, seed=3, cell="lstm", member=Membership("a-study", 4, 4))
    result = files.read_json(folder / "result.json")
    result["flags"] = [{"name": "too hot", "where": "head", "value": 0.02, "threshold": 0.01, "advice": "Lower it."}]
    files.write_json(folder / "result.json", result)
    order = json.dumps({"folder": str(folder), "track": "online"}) + "\n"
    python("from rnnkit.mirror import follow; follow.main()", server, input=order)
    state = mirror_client.state(folder)
    assert (state["state"], state["mode"]) == ("complete", "online"), state

    (run,) = server.runs.values()
    assert (run.given["groupName"], run.given["jobType"], run.given["displayName"]) == ("a-study", "trial", folder.name)
    assert sorted(run.given["tags"]) == ["digits", "lstm"]
    manifest = files.read_json(folder / "manifest.json")
    assert {name: run.config[name] for name in manifest["config"]} == manifest["config"]
    assert (run.config["study"], run.config["trial"]) == ("a-study", 4)

    own = lambda row: {name: value for name, value in row.items() if not name.startswith("_")}
    assert [own(row) for row in run.history] == read_rows(folder)
    assert run.exit_code == 0
    assert run.summary["metric/accuracy/test"] == result["metrics"]["metric/accuracy/test"]
    assert (run.summary["status"], run.summary["flags"]) == ("finished", 1)
    assert run.summary["flag/too hot"] == str(flags.Flag(**result["flags"][0]))

    # All metrics are drawn over `step`, which is itself no chart. (Numbered as in wandb's MetricRecord.)
    defined = {metric.get("1") or metric.get("2"): metric for metric in run.config["_wandb"]["m"]}
    assert defined.keys() >= {"step", "loss/train"} or defined.keys() >= {"step", "*"}
    numbered = [metric.get("1") for metric in run.config["_wandb"]["m"]]
    for name, metric in defined.items():
        if name != "step":
            assert metric.get("4") == "step" or numbered[metric["5"] - 1] == "step", (name, metric)


def test_the_view_is_saved_then_renewed_and_made_anew_where_it_was_deleted(tmp_path, server):
    code = f"""
import sys
from pathlib import Path
from sweeps import workspace
sys.argv = ["workspace", "digits", "--runs-dir", {str(tmp_path)!r}]
workspace.main()
workspace.main()
known = Path({str(tmp_path)!r}) / "workspaces.json"
known.write_text(known.read_text().replace("nw=", "nw=gone"))
workspace.main()
"""
    first, second, third = python(code, server).splitlines()
    assert first.startswith(f"saved: {server.address}/somebody/rnnkit?nw=")
    assert second == first.replace("saved", "renewed")
    assert third.startswith("saved: ")
    assert third != first
    view, anew = server.views.values()
    assert anew["name"] != view["name"]
    assert (view["entityName"], view["projectName"], view["displayName"]) == ("somebody", "rnnkit", "rnnkit: digits")
    sections = json.loads(view["spec"])["section"]["panelBankConfig"]["sections"]
    titles = [section["name"] for section in sections]
    assert titles == ["Answer", *(section.title for section in SECTIONS), "Pictures", "Flags"]


@pytest.fixture(scope="module")
def panels():
    """All panels of digits' view by section, as W&B takes them."""
    spec = json.loads(workspace.made("digits", "me", "p")._to_model().model_dump_json(by_alias=True, exclude_none=True))
    found = spec["spec"]["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in found}


def test_every_chart_is_drawn_over_training_steps(panels):
    lines = [p["config"] for some in panels.values() for p in some if p["viewType"] == "Run History Line Plot"]
    assert len(lines) == sum(len(section.charts) for section in SECTIONS) + 1
    for line in lines:
        assert line["xAxis"] == "step"
        assert line["xAxisTitle"] == "training step"
        assert line["chartTitle"]


def test_the_patterns_choose_the_same_metrics_as_our_own_charts():
    names = ["loss/train", "metric/accuracy/valid", "grad_norm/total", "grad_norm/head", "grad_norm/embedding"]
    names += ["grad_norm/encoder.l0.f/ih", "grad_norm/encoder.l0.f/hh/r", "update/head", "update/encoder.l0.f/hh"]
    names += ["hidden/encoder.l0.f/rms", "hidden/encoder.l0.f/rms_std", "hidden/a.l1.b/k90", "schedule/learning_rate"]
    names += ["gate/encoder.l0.f/z/timescale_max", "gate/encoder.l0.f/z/left", "memory/encoder.l0.f/initial_horizon"]
    names += ["memory/loss_one", "memory/k95", "memory/span", "speed/valid_steps_per_second", "clip/fraction", "flags"]
    for section in SECTIONS:
        for chart in section.charts:
            chosen = workspace.pattern(chart)
            assert "(?" not in chosen
            ours = [n for n in names if chart.groups(n) is not None]
            assert [n for n in names if re.search(chosen, n)] == ours, chart.key


def test_the_answer_shows_the_plane_importances_and_all_settings(panels):
    kinds = {panel["viewType"]: panel["config"] for panel in panels["Answer"]}
    scatter = kinds["Scatter Plot"]
    assert "hidden_size" in scatter["xAxis"]
    assert "depth" in scatter["yAxis"]
    assert digits.OBJECTIVE.metric in scatter["zAxis"]
    columns = [column["accessor"] for column in kinds["Parallel Coordinates Plot"]["columns"]]
    assert {re.split(r"[:.]", accessor)[1] for accessor in columns[:-1]} == digits.SPACE.varied()
    assert digits.OBJECTIVE.metric in columns[-1]
    assert "Parameter Importance" in kinds
    assert panels["Pictures"][0]["config"]["mediaKeys"][0].startswith("pictures/")


def test_there_is_a_column_for_each_flag_that_a_run_can_raise():
    columns = workspace.made("digits", "me", "p").runset_settings.pinned_columns
    assert [column for column in columns if "flag/" in column] == [f"summary:flag/{name}" for name in flags.NAMES]


@pytest.mark.parametrize("experiment", experiments.names())
def test_every_experiment_has_its_view(experiment):
    view = workspace.made(experiment, "me", "p")
    metric = experiments.objective_of(experiments.load(experiment).Config()).metric
    assert json.dumps(view._to_model().model_dump(mode="json")).count(metric) >= 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "there is no experiment 'nope'"),
        (["building_blocks"], "there is no experiment 'building_blocks': choose one of"),
    ],
)
def test_what_has_no_view_is_one_line(words, message, monkeypatch):
    monkeypatch.setattr("sys.argv", ["workspace", *words])
    with pytest.raises(UserError, match=message):
        workspace.main()


def test_without_a_login_it_says_how_to_log_in(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["workspace", "digits", "--runs-dir", str(tmp_path)])
    monkeypatch.setenv("NETRC", os.devnull)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(UserError, match=r"no W&B login: run `.* -m wandb login` first \(needs an account\)"):
        workspace.main()
