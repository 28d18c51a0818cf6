"""What a study came to, as summary.json and summary.md in its folder, with figures/, and in short on the terminal.

summary.json holds what `facts.Summary` does, its `confirmations` as `confirmed` and its `rows` as `list`.
"""

import dataclasses
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from rnnkit.core import UserError, files, wording
from rnnkit.core import config as configuration
from rnnkit.runs import Result
from sweeps.analysis import answer, ended, figures, front, grid, inference, page, plane
from sweeps.analysis.facts import Summary
from sweeps.analysis.importances import importance
from sweeps.study import Study, suggestions


def write(study: Study) -> str:
    """Write summary.md, summary.json and figures/ into the study's folder, and return what to print.

    Where they cannot be written, it is printed here, before the error is raised on: it was long in the making.
    """
    summary = study.storage.patiently(collect, study)
    text = page.short(study.folder, summary)
    try:
        _keep(summary, study.folder.path)
    except OSError:
        print(text)
        raise
    return text


def _keep(summary: Summary, folder: Path) -> None:
    files.write_json(folder / "summary.json", summary.as_dict())
    metric, lower_is_better = wording.metric(summary.metric), summary.lower_is_better
    pictures = {
        "plane": lambda axes: figures.plane(axes, summary.plane, metric, lower_is_better),
        "search": lambda axes: figures.history(axes, summary.rows, metric, lower_is_better),
        "again": lambda axes: figures.confirmations(axes, summary.confirmations, metric),
        "importances": lambda axes: figures.importances(axes, summary.importances),
    }
    figures.draw(pictures, folder / "figures")
    files.write_whole(folder / "summary.md", page.markdown(summary, folder / "figures").encode())


def collect(study: Study) -> Summary:
    """The study in numbers and sentences."""
    folder = study.folder
    frozen = [trial for trial in study.all_of() if trial.state.is_finished()]
    again = study.confirmations.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    searched, fresh = [ended.of_trial(trial) for trial in frozen], [ended.of_trial(trial) for trial in again]
    weighed = importance(suggestions.rebased(folder.space, frozen))
    summary = answer.summarised(asked(study), searched, fresh, weighed)
    best, known = summary.best, {trial.number: trial for trial in frozen}
    named = set(best.runs if best else []) | {run for row in summary.confirmations for run in row.runs}
    shown = [trial for trial in frozen if trial.state == TrialState.COMPLETE]
    shown += [trial for trial in again if trial.user_attrs.get("run") in named]
    if best:
        command = configuration.command(folder.config(best.trial, best.settings))
        best = dataclasses.replace(best, command=command)
    complete = [trial for trial in frozen if trial.state == TrialState.COMPLETE]
    summary = with_grid(study, summary, grid.grid_points(folder, complete))
    return dataclasses.replace(
        summary,
        front=front.front(folder, complete),
        best=best,
        borders=borders(study, known[best.trial], complete) if best else [],
        timing=timing(study),
        unread=unread(study, shown),
    )


def with_grid(study: Study, summary: Summary, points: list[grid.GridPoint]) -> Summary:
    """A summary with the points of a grid of one's own, and what the data support of them; as it is without such."""
    if not points:
        return summary
    between = inference.spread([point.values for point in points])
    found = plane.told_apart(points, between, study.folder.objective.score, where="grid")
    supported, not_supported = summary.supported + found[0], summary.not_supported + found[1]
    return dataclasses.replace(summary, points=points, supported=supported, not_supported=not_supported)


def asked(study: Study) -> answer.Asked:
    """What the study was to find out."""
    folder = study.folder
    return answer.Asked(
        study=folder.name,
        experiment=folder.base.experiment,
        metric=folder.objective.metric,
        lower_is_better=folder.objective.lower_is_better,
        seed=folder.seed,
        sampler=folder.sampler,
        pruner=folder.pruner,
        storage=study.storage.kind,
        plane=grid.plane_points(folder),
        confirm=study.confirm,
    )


def borders(study: Study, best: FrozenTrial, complete: list[FrozenTrial]) -> list[str]:
    """A sentence for each setting of the best trial, and of all that came out alike, on a border of its range."""
    plain, space, is_grid = wording.plain, study.folder.space, study.folder.sampler == "grid"
    alike = [{name for name, *_ in space.borders(t.params, is_grid)} for t in complete if t.values == best.values]
    return [
        f"The best {name.replace('_', ' ')}, {plain(value)}, lies on the border of its range {plain(values.low)} to "
        f"{plain(values.high)}: look in {plain(wider[0])} to {plain(wider[1])} too "
        f"(--space {name}={plain(wider[0])}..{plain(wider[1])})."
        for name, value, values, wider in space.borders(best.params, is_grid)
        if all(name in on_border for on_border in alike) and len({trial.params.get(name) for trial in complete}) > 1
    ]


def timing(study: Study) -> str:
    """What in this study depends on timing, in a sentence."""
    if study.folder.limits.milliseconds is not None:
        return "Points were left out as too slow by a measurement, which differs between machines (--most-ms)."
    if study.folder.lag is not None:
        again = f"make reproduce STUDY={study.folder.name}"
        end = f" {why_it_ended(study)}" if "ended" in study.trials.user_attrs else ""
        return f"The same seed gives this study again bit for bit, with any number of workers ({again}).{end}"
    sampler, pruner = study.folder.sampler, study.folder.pruner
    pruned = pruner == "percentile" and sampler != "grid" or pruner == "auto" and sampler in ("tpe", "plane-then-tpe")
    what = ["what TPE suggests"] * (sampler in ("tpe", "plane-then-tpe")) + ["what is pruned"] * pruned
    if not what:
        return "The same seed gives this study again bit for bit, with any number of workers."
    return (
        "With one worker, the same seed gives this study again bit for bit; with several, "
        f"{wording.listed(what)} depends on which trials have ended by then."
    )


def why_it_ended(study: Study) -> str:
    """Why a study with a time to keep has as many trials as it has, in a sentence."""
    reason = wording.capital(study.trials.user_attrs["ended"])
    return f"{reason}: hence {wording.count(study.total, 'trial')}, which depends on the machine (--minutes)."


def unread(study: Study, trials: list[FrozenTrial]) -> list[str]:
    """A line for each run of `trials` whose result is damaged."""
    lines = []
    for trial in trials:
        try:
            Result.read(study.folder.base.runs_dir / trial.user_attrs["run"])
        except UserError as error:
            about = {"confirms": trial.number} | trial.user_attrs
            seed = f" on fresh seed {about['repeat'] + 1}" if "repeat" in about else ""
            lines.append(f"the run of trial {about['confirms']}{seed} cannot be read: {error}")
    return lines
