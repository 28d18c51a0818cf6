"""The saved view of the project at Weights & Biases, made from code: what `make dashboard` shows, for whoever logs in.

    python -m sweeps.workspace digits

It makes the view of an experiment, or renews the one that it made before: sections for the answer, learning, gradients,
hidden state, gates, memory, speed and flags, over the runs of this experiment alone. The project is `rnnkit`, or what
WANDB_PROJECT names; WANDB_ENTITY names a team. It needs a login.
"""

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

import experiments
from rnnkit.core import RunsOptions, UserError, cli, extras, files, surroundings, wording
from rnnkit.runs import flags, plots
from sweeps import sync
from sweeps.reading import LOGARITHMIC, SECTIONS, Chart


if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import LinePlot
    from wandb_workspaces.workspaces import Workspace

STEP = "step"  # the metric that all others are logged over, as rnnkit.mirror defines it
TOGETHER = {"metric": "Scores", "speed": "Speed"}  # charts whose metrics differ by experiment, all in one panel here
READ_ME = """\
Each run is a trial of a study; the study is its group. A run's summary says how it ended (`status`, `reason`), and what
is wrong with it (`flags`, how many; `flag/...`, each in words). Tick runs on the left to compare them.
The validation part chooses; the test part plays no role in it."""
OF_FLAGS = "Flags stand in words in the columns `flag/...` of the runs on the left; thresholds are rules of thumb."


@dataclass(frozen=True)
class Options(RunsOptions):
    """Which view."""

    experiment: Annotated[str, tyro.conf.Positional]
    """The experiment whose runs are shown."""


def made(experiment: str, entity: str, project: str) -> "Workspace":
    """The view of an experiment, not saved yet."""
    import wandb_workspaces.reports.v2 as wr
    from wandb_workspaces import expr
    from wandb_workspaces.workspaces import interface as ws

    objective = experiments.objective_of(experiments.load(experiment).Config())
    metric, spoken = objective.metric, wording.metric(objective.metric)
    sections = [ws.Section(name="Answer", panels=_answer(experiment), is_open=True)]
    for section in SECTIONS:
        is_open = section.title == "Learning"
        sections.append(ws.Section(name=section.title, panels=[_lines(c) for c in section.charts], is_open=is_open))
    mean: dict[str, Any] = {"groupby": wr.Config("seed"), "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"}
    over: dict[str, Any] = {"x": STEP, "y": [metric], "title_x": "training step", "title_y": spoken}
    legend = "seed ${config:seed}"  # and the mean over runs of the same settings
    by_seed = wr.LinePlot(title=f"{spoken.capitalize()}, by seed", **over, **mean, legend_template=legend)
    sections[1].panels.append(by_seed)
    pictures = wr.MediaBrowser(title="Inside the network", media_keys=[f"pictures/{name}" for name in plots.PICTURES])
    sections.append(ws.Section(name="Pictures", panels=[pictures]))
    raised = wr.BarPlot(title="How many flags a run raised", metrics=[wr.SummaryMetric("flags")], title_x="flags")
    sections.append(ws.Section(name="Flags", panels=[wr.MarkdownPanel(markdown=OF_FLAGS), raised], is_open=True))
    columns = [f"summary:{name}" for name in ("status", metric, metric.removesuffix("/valid") + "/test")]
    columns += [f"config:{name}" for name in ("hidden_size", "depth", "cell", "seed")]
    columns += [f"summary:{name}" for name in ("flags", *(f"flag/{flag}" for flag in flags.NAMES))]
    filters = expr.And(expr.Config("experiment") == experiment)
    order = [expr.Ordering(expr.Summary(metric), ascending=objective.lower_is_better)]
    runs = ws.RunsetSettings(filters=filters, order=order, pinned_columns=columns)
    settings = ws.WorkspaceSettings(x_axis=STEP, max_runs=50)
    where: dict[str, Any] = {"entity": entity, "project": project, "name": f"rnnkit: {experiment}"}
    return ws.Workspace(**where, sections=sections, settings=settings, runset_settings=runs)


def _answer(experiment: str) -> list:
    import wandb_workspaces.reports.v2 as wr
    from wandb_workspaces.reports.v2.interface import ParallelCoordinatesPlotColumn as Axis

    module = experiments.load(experiment)
    config = module.Config()
    objective, space = experiments.objective_of(config), experiments.space_of(config)
    metric, spoken = wr.SummaryMetric(objective.metric), wording.metric(objective.metric)
    best = "min" if objective.lower_is_better else "max"
    columns = [Axis(wr.Config(name), log=name in LOGARITHMIC) for name in sorted(space.varied())]
    columns.append(Axis(metric, display_name=spoken, inverted=objective.lower_is_better))
    size, depth = wr.Config("hidden_size"), wr.Config("depth")
    return [
        wr.MarkdownPanel(markdown=READ_ME),
        wr.ScalarChart(title=f"Best {spoken}", metric=metric, groupby_aggfunc=best),
        wr.ScatterPlot(title=f"Hidden size and depth, coloured by {spoken}", x=size, y=depth, z=metric, log_x=True),
        wr.ParameterImportancePlot(with_respect_to=objective.metric),
        wr.ParallelCoordinatesPlot(title="Settings and value of each trial", columns=columns),
        wr.BarPlot(title=f"Best {spoken} by study", metrics=[metric], groupby=wr.Config("study"), groupby_aggfunc=best),
        wr.RunComparer(diff_only="split"),
    ]


def _lines(chart: Chart) -> "LinePlot":
    """A panel for a chart; its metrics are chosen by a pattern, since their names depend on the network."""
    import wandb_workspaces.reports.v2 as wr

    axes: dict[str, Any] = {"x": STEP, "title_x": "training step", "log_y": chart.log}
    axes["title_y"] = None if chart.apart else chart.axis
    title, legend = TOGETHER.get(chart.key, chart.title), "${run:displayName} ${metricName}"
    return wr.LinePlot(title=title, metric_regex=pattern(chart), legend_template=legend, **axes)


def pattern(chart: Chart) -> str:
    """A chart's pattern as W&B reads it: anchored, and without what not all engines know."""
    plain = re.sub(r"\(\?![^)]*\)", "", chart.pattern)
    if plain != chart.pattern:  # of groups: what stands alone is the head and the embedding
        plain = plain.replace("([^/]+(?:/(?:ih|hh|bias))?)", "([^/]+/(ih|hh|bias)|head|embedding)")
    return f"^{plain.replace('(?:', '(')}$"


def save(workspace: "Workspace", runs_dir: Path) -> tuple[str, bool]:
    """Save a view, in the place of the one made before if that is there still; its address, and whether it was."""
    from wandb_workspaces.workspaces import Workspace

    path = runs_dir / "workspaces.json"
    key = f"{workspace.entity}/{workspace.project}/{workspace.name}"
    addresses = files.read_json(path) if path.exists() else {}
    before = None
    if key in addresses:
        with contextlib.suppress(ValueError):  # it was deleted
            before = Workspace.from_url(addresses[key])
    if before is not None:
        before.name, before.sections = workspace.name, workspace.sections
        before.settings, before.runset_settings = workspace.settings, workspace.runset_settings
        workspace = before
    workspace.save()
    files.write_json(path, {**addresses, key: workspace.url})
    return workspace.url, before is not None


def main() -> None:
    """Log in, save the view, and say where it is."""
    surroundings.leave_behind()  # W&B is used in this process
    options = cli.parse(Options, "python -m sweeps.workspace", sys.argv[1:], __doc__)
    experiments.load(options.experiment)
    if not options.runs_dir.is_dir():
        raise UserError(
            f"there are no runs in {options.runs_dir}: make sweep makes some, or name another with --runs-dir"
        )
    with extras.needed("workspace", "a workspace"):
        import wandb.errors
        import wandb_workspaces  # noqa: F401

    sync.log_in()
    entity = os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity
    if entity is None:
        raise UserError("this login belongs to no account or team: name one with WANDB_ENTITY")
    project = os.environ.get("WANDB_PROJECT", "rnnkit")
    try:
        url, renewed = save(made(options.experiment, entity, project), options.runs_dir)
    except wandb.errors.Error as error:
        sys.exit(f"error: the W&B server did not take the view ({sync.first_line(error)}): try again later")
    print(f"{'renewed' if renewed else 'saved'}: {url}")


if __name__ == "__main__":
    cli.main(main, settle=False)
