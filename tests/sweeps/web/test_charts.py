import json
import math
import types
from collections import Counter
from datetime import UTC, datetime

import plotly.graph_objects as go
import pytest

from rnnkit.core import files
from rnnkit.runs.rows import read_rows
from sweeps.reading import sections, studies
from sweeps.reading.rows import Columns
from sweeps.reading.run_index import RunIndex
from sweeps.web import charts, run_charts, study_charts
from tests.sweeps import made


@pytest.fixture
def index(kinds):
    return RunIndex(kinds[0])


def every(sections_found):
    return [chart for _, shown in sections_found for chart in shown]


def valid(chart):
    """Plotly's own check of every name and value; each axis has a title, and text no tags but line breaks."""
    plain = json.loads(json.dumps(chart, allow_nan=False))
    for trace in plain["data"]:
        trace.pop("meta", None)
    figure = go.Figure(data=plain["data"], layout=plain["layout"])
    assert figure.layout.title.text
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text or figure.layout.yaxis.visible is False
    said = json.dumps([chart["data"], chart["layout"]]).replace("<br>", "").replace("<extra></extra>", "")
    assert "<" not in said


def test_every_number_that_was_logged_is_in_a_chart(kinds, index):
    """No metric is lost, and none shown twice; values are those of the rows."""
    folder = kinds[1]["finished"]
    found = every(run_charts.of_run(index, folder.name))
    for chart in found:
        valid(chart)
    rows = read_rows(folder)
    logged = Counter((row["step"], value) for row in rows for name, value in row.items() if name != "step")
    shown = Counter(
        (step, value)
        for chart in found
        for trace in chart["data"]
        for step, value in zip(trace["x"], trace["y"], strict=True)
    )
    assert shown == logged


def test_every_kind_of_run_has_its_charts(kinds, index):
    for folder in kinds[1].values():
        for chart in every(run_charts.of_run(index, folder.name)):
            valid(chart)


def test_curves_of_full_observation_are_shown(kinds, index):
    found = {chart["key"]: chart for chart in every(run_charts.of_run(index, kinds[1]["flagged"].name))}
    heat = found["lag-encoder.l0.f"]["data"][0]
    assert heat["z"][0][:2] == [0.0, -1.0]
    assert heat["z"][1] == [0.0, -1.0, -8, -8, -8]
    assert found["truncation"]["data"][0]["y"] == [2.0, 1.5, 1.2]


def test_of_one_look_what_is_left_of_a_gradient_is_a_curve():
    (chart,) = run_charts.gradients_by_lag([{"step": 9, "lag/encoder.l0.f": [1.0, 0.1, 0.0, "NaN"]}])
    valid(chart)
    assert (chart["data"][0]["type"], chart["data"][0]["y"]) == ("scatter", [0.0, -1.0, -8, -8])
    assert chart["layout"]["yaxis"]["title"]["text"] == "log10 of what is left"


def test_ticks_of_inputs_read_do_not_stand_on_top_of_each_other():
    seen = {"step": 9, "truncation/contexts": [1, 2, 4, 5], "truncation/losses": [3.0, 2.0, 1.5, 1.0]}
    (chart,) = run_charts.truncation([seen])
    assert chart["layout"]["xaxis"]["tickvals"] == [1, 2, 5]
    assert chart["data"][0]["x"] == [1, 2, 4, 5]


def test_what_is_not_finite_is_a_gap():
    line = charts.line("a", [1, 2, 3], [1.0, math.nan, math.inf])
    assert line["y"] == [1.0, None, None]
    assert charts.line("a", [1, 2, 3], [1.0, 0.0, -1.0], log=True)["y"] == [1.0, None, None]


def test_a_loss_that_exploded_has_a_logarithmic_axis():
    columns = lambda top: type("C", (), {"series": {"loss/train": ([1, 2], [0.5, top])}})()
    drawn = sections.arranged(["loss/train"])[0][1][0]
    assert run_charts.chart(drawn, columns(1e9))["layout"]["yaxis"]["type"] == "log"
    assert "type" not in run_charts.chart(drawn, columns(2.0))["layout"]["yaxis"]


def test_what_was_measured_once_is_bars():
    """One for each curve, what belongs to one place together; in a comparison one for each run."""
    ends = {"reach": -0.5, "mean_lag": math.inf}
    series = {f"memory/encoder.l0.{d}/{name}": ([9], [value]) for name, value in ends.items() for d in "fb"}
    columns = Columns(series=series)
    (drawn,) = sections.arranged(series)[0][1]
    chart = run_charts.chart(drawn, columns)
    valid(chart)
    assert [trace["y"][0] for trace in chart["data"]] == [
        "encoder.l0.f reach",
        "encoder.l0.f mean lag: inf",
        "encoder.l0.b reach",
        "encoder.l0.b mean lag: inf",
    ]
    assert [trace["x"][0] for trace in chart["data"]] == [-0.5, None, -0.5, None]
    assert [trace["meta"]["hue"] for trace in chart["data"]] == [0, 0, 1, 1]
    columns.series["memory/encoder.l0.f/reach"] = ([8, 9], [-0.4, -0.5])
    assert {trace["type"] for trace in run_charts.chart(drawn, columns)["data"]} == {"scatter"}


def test_a_single_curve_is_named_in_the_title():
    columns = Columns(series={"loss/valid": ([1, 2], [2.0, 2.0])})
    chart = run_charts.chart(sections.arranged(columns.series)[0][1][0], columns)
    assert (chart["name"], chart["key"]) == ("Loss: validation", "loss")
    assert chart["layout"]["yaxis"]["range"] == [0, 4.0]  # a constant lies in the middle, not on the ground


def test_colours_tell_layers_apart_and_lines_what_of_them():
    looks = run_charts.looks_of(["encoder.l0.f/ih", "encoder.l0.f/hh", "encoder.l0.b/ih", "head"])
    assert looks == {
        "encoder.l0.f/ih": (0, 0),
        "encoder.l0.f/hh": (0, 1),
        "encoder.l0.b/ih": (1, 0),
        "head": (2, 0),
    }


def test_metrics_of_all_groups_find_their_section():
    names = {
        "loss/train": "Learning",
        "metric/bits_per_character/test": "Learning",
        "schedule/learning_rate": "Learning",
        "grad_norm/total": "Gradients",
        "grad_norm/embedding": "Gradients",
        "grad_norm/encoder.l1.b/bias": "Gradients",
        "grad_norm/encoder.l0.f/hh/r": "Gradients",
        "update/head": "Gradients",
        "hidden/encoder.l0.f/k90": "Hidden state",
        "gate/encoder.l0.f/f/timescale_max": "Gates",
        "memory/encoder.l0.f/initial_rate": "Memory",
        "memory/loss_quarter": "Memory",
        "memory/span": "Memory",
        "speed/valid_steps_per_second": "Speed",
        "something/new": "Other",
    }
    found = {m: s.title for s, shown in sections.arranged(names) for chart in shown for m in chart.curves.values()}
    assert found == names


def test_the_share_of_clipped_steps_says_of_which_steps():
    """The training loop counts from the first step on."""
    ((_, (drawn,)),) = sections.arranged(["clip/fraction"])
    assert drawn.axis == "share of all steps so far"


def test_runs_are_laid_over_each_other(kinds, index):
    cards = [index.run(kinds[1][kind].name) for kind in ("finished", "flagged", "hostile")]
    found = every(run_charts.compared(index, cards))
    for chart in found:
        valid(chart)
    (loss,) = [chart for chart in found if chart["key"] == "loss/train"]
    assert [trace["meta"]["hue"] for trace in loss["data"] if "run" in trace["meta"]] == [0, 0, 1, 1, 2, 2]
    assert loss["data"][0]["name"].startswith(f"{cards[0].name} (seed 0, cell gru")
    assert run_charts.differing(cards) == ["seed", "cell", "observe"]
    (odd,) = [chart for chart in found if chart["name"] == made.HOSTILE]
    assert (odd["data"][0]["type"], odd["data"][0]["meta"]) == ("bar", {"hue": 2, "run": 2})


def overlaid(layers, runs):
    """The charts, by key, of runs with a number of layers in both directions."""
    places = [f"encoder.l{layer}.{direction}" for layer in range(layers) for direction in "fb"]
    names = [f"grad_norm/{place}/{kind}" for kind in ("ih", "hh") for place in places] + ["grad_norm/head"]
    logged = Columns(series={name: ([1, 2], [0.5, 0.25]) for name in names})
    cards = [types.SimpleNamespace(name=f"run-{i}", config={"seed": i}) for i in range(runs)]
    index = types.SimpleNamespace(columns=lambda name: logged)
    return {chart["key"]: chart for chart in every(run_charts.compared(index, cards))}


def test_layers_of_several_runs_share_a_chart_as_far_as_it_can_be_read():
    found = overlaid(layers=3, runs=2)
    assert [chart["name"].partition(": ")[2] for chart in found.values()] == ["ih", "hh", "head"]
    chart = found["grad_norm/encoder.l0.f/ih"]
    valid(chart)
    curves = [trace for trace in chart["data"] if "run" in trace["meta"]]
    assert [(t["meta"]["hue"], t["meta"]["dash"]) for t in curves] == [
        (run, place) for run in (0, 1) for place in range(6)
    ]
    assert not any(trace["showlegend"] for trace in curves)
    legend = [trace["name"] for trace in chart["data"] if trace not in curves]
    assert legend == [trace["legendgroup"] for trace in curves[:6]]
    assert len(overlaid(layers=3, runs=5)) == 13


def test_a_chart_of_one_run_is_divided_where_its_legend_would_be_long():
    names = [
        f"hidden/encoder.l{layer}.{d}/{kind}" for layer in range(3) for d in "fb" for kind in ("k90", "effective_rank")
    ]
    logged = Columns(series={name: ([1, 2], [0.5, 0.25]) for name in names})
    index = types.SimpleNamespace(columns=lambda name: logged, media=lambda name: {})
    (one,) = every(run_charts.of_run(index, "run"))
    assert len(one["data"]) == 12
    logged.series |= {
        f"hidden/encoder.l3.{d}/{kind}": ([1, 2], [0.5, 0.25]) for d in "fb" for kind in ("k90", "effective_rank")
    }
    both = every(run_charts.of_run(index, "run"))
    assert [chart["name"].partition(": ")[2] for chart in both] == ["k90", "effective rank"]
    assert [trace["meta"]["hue"] for trace in both[0]["data"]] == list(range(8))


def test_axes_of_few_whole_numbers_have_no_ticks_between_them():
    assert charts.whole([1, 2, 2]) == {"dtick": 1}
    assert charts.whole(range(11)) == charts.whole([]) == {}


def test_a_study_has_all_its_charts(kinds, index):
    study = studies.read(index, "small")
    found = {chart["key"]: chart for chart in study_charts.of_study(study)}
    for chart in found.values():
        valid(chart)
    assert list(found) == ["history", "plane", "importances", "reported", "parallel", "timeline"]

    traces = {trace["name"]: trace for trace in found["history"]["data"]}
    assert traces["best trial so far"]["y"] == [0.5, 0.55, 0.6, 0.65, 0.7]
    assert traces["finished"]["x"] == [0, 1, 2, 3, 4]
    assert traces["pruned (its last value)"]["y"] == [0.75]

    assert found["plane"]["data"][0]["z"] == [[0.5, 0.55, 0.6], [0.65, 0.7, None], [None] * 3, [None] * 3]
    assert len(found["plane"]["layout"]["annotations"]) == 7

    lines = {t["meta"]["trial"]: t for t in found["parallel"]["data"] if "meta" in t}
    assert sorted(lines) == list(range(10))
    assert lines[0]["meta"]["shade"] == 0
    assert lines[4]["meta"]["shade"] == pytest.approx(1)
    assert all(0 <= y <= 1 for t in lines.values() for y in t["y"] if y is not None)
    assert lines[0]["y"][0] < lines[3]["y"][0]  # hidden size 8 and 16

    bars = [trial for trace in found["timeline"]["data"] for trial in trace["text"]]
    assert sorted(map(int, bars)) == list(range(10))


def test_trials_stand_in_the_lane_of_their_worker_or_beside_each_other():
    at = lambda seconds: datetime.fromtimestamp(seconds, UTC)
    trial = lambda number, start, end, worker: studies.Trial(
        number, "finished", None, {}, {}, at(start), at(end) if end else None, None, None, worker
    )
    spans = [(0, 10), (1, 4), (4, 6), (5, None), (10, 12)]
    alone = [trial(i, *span, None) for i, span in enumerate(spans)]
    assert list(study_charts.lanes_of(alone, at(20)).values()) == ["1", "2", "2", "3", "1"]
    named = [trial(i, *span, "ab"[i % 2]) for i, span in enumerate(spans)]
    assert list(study_charts.lanes_of(named, at(20)).values()) == ["1", "2", "1", "2", "1"]


def test_the_lower_value_is_the_best_so_far(tmp_path):
    made.study(tmp_path)
    path = tmp_path / "studies" / "small" / "study.json"
    described = files.read_json(path)
    described["space"]["lower_is_better"] = True
    files.write_json(path, described)
    found = study_charts.of_study(studies.read(RunIndex(tmp_path), "small"))
    history = {trace["name"]: trace for trace in found[0]["data"]}
    assert history["best trial so far"]["y"] == [0.5] * 5


@pytest.mark.parametrize("name", ["torn", "empty", made.HOSTILE])
def test_an_odd_study_has_no_chart_that_fails(index, name):
    for chart in study_charts.of_study(studies.read(index, name)):
        valid(chart)


def test_text_that_plotly_would_read_as_tags_is_plain():
    assert charts.text("<b>a & b</b>") == "&lt;b&gt;a &amp; b&lt;/b&gt;"
