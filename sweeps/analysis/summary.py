"""What a study came to, as summary.json and summary.md in its folder, with figures/, and in short on the terminal.

summary.json holds what `facts.Summary` does, its `confirmations` as `confirmed` and its `rows` as `list`.
"""

import dataclasses
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from rnnkit import evaluation
from rnnkit.core import UserError, files, wording
from rnnkit.core import config as configuration
from rnnkit.runs import Comparison, Reference, Result
from sweeps.analysis import figures, front, grid, inference, page
from sweeps.analysis.facts import Best, Confirmation, Counts, Paired, Summary, TrialRow, grid_cells, importances
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
    folder, space = study.folder, study.folder.space
    ended = [trial for trial in study.all_of() if trial.state.is_finished()]
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    on_fresh_seeds = study.confirmations.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    ranked = inference.in_order(study)
    confirmations = [confirmation(study, number, trials) for number, trials in ranked]
    confirmed = [trial for trial in complete if ranked and trial.number == ranked[0][0]]
    best = confirmed[0] if confirmed else study.best_of(complete)
    rows = [trial_row(trial) for trial in ended]
    plane, points = grid_cells(grid.plane_points(folder), rows), grid.grid_points(folder, complete)
    groups = [cell.values for cell in (*plane, *points)] + [list(again.values.values()) for again in confirmations]
    supported, not_supported = inference.in_the_plane(study, plane, inference.spread(groups))
    if points:
        supported, not_supported = inference.in_the_plane(study, points, inference.spread(groups), where="grid")
    second = runner_up(study, ranked)
    if second is not None:
        (supported if second.supported else not_supported).insert(0, second_in_words(second))
    everything = ended + on_fresh_seeds
    starts = [trial.datetime_start for trial in everything if trial.datetime_start]
    ends = [trial.datetime_complete for trial in everything if trial.datetime_complete]
    seconds = [trial.user_attrs.get("result", {}).get("seconds") or 0.0 for trial in everything]
    return Summary(
        study=folder.name,
        experiment=folder.base.experiment,
        metric=folder.objective.metric,
        lower_is_better=folder.objective.lower_is_better,
        seed=folder.seed,
        sampler=folder.sampler,
        pruner=folder.pruner,
        storage=study.storage.kind,
        trials=Counts(
            ended=len(ended),
            finished=len(complete),
            pruned=sum(trial.state == TrialState.PRUNED for trial in ended),
            failed=sum(trial.state == TrialState.FAIL for trial in ended),
            again=len(on_fresh_seeds),
        ),
        minutes=max((max(ends) - min(starts)).total_seconds(), 0.0) / 60 if starts and ends else 0.0,  # clocks go back
        cost_minutes=sum(seconds) / 60,
        plane=plane,
        points=points,
        front=front.front(folder, complete),
        best=best_of(study, best, confirmations) if best else None,
        confirmations=confirmations,
        runner_up=second,
        importances=importances(suggestions.rebased(space, ended)),
        supported=supported,
        not_supported=not_supported,
        borders=borders(study, best) if best else [],
        timing=timing(study),
        unread=unread(study, [*complete, *(trial for _, trials in ranked for trial in trials)]),
        rows=rows,
    )


def confirmation(study: Study, number: int, trials: list[FrozenTrial]) -> Confirmation:
    """A configuration that was run again on fresh seeds."""
    original = next(trial for trial in study.all_of() if trial.number == number)
    results = [trial.user_attrs["result"] for trial in trials]
    values = inference.by_seed(trials)
    mean = inference.mean_of(list(values.values()), evaluation.metric(study.folder.objective.metric).limits)
    scores = {name: [result["test"][name] for result in results] for name in results[0]["test"]}
    return Confirmation(
        trial=number,
        settings=original.params,
        parameters=results[0]["parameters"],
        found=original.values[0],
        values={str(seed): value for seed, value in sorted(values.items())},
        **dataclasses.asdict(mean),
        test={name: inference.mean_of(several, evaluation.metric(name).limits) for name, several in scores.items()},
        runs=[trial.user_attrs["run"] for trial in trials],
    )


def runner_up(study: Study, ranked: list[tuple[int, list[FrozenTrial]]]) -> Paired | None:
    """The paired test between the two best of what was run again, best first; None where there are no two."""
    if len(ranked) < 2:
        return None
    (number, ours), (other, theirs) = ranked[:2]
    sign = -1 if study.folder.objective.lower_is_better else 1
    return inference.paired(number, other, inference.by_seed(ours), inference.by_seed(theirs), sign)


def second_in_words(test: Paired) -> str:
    """The paired test in a sentence."""
    verdict = "is better than" if test.supported else "is not told apart from"
    return (
        f"Trial {test.trial}'s configuration {verdict} the runner-up, trial {test.other}'s: better by "
        f"{test.difference:+.4f}, 95 % interval {test.low:+.4f} to {test.high:+.4f}, in pairs over {test.seeds} "
        f"fresh seeds (p {test.p:.2g})."
    )


def best_of(study: Study, trial: FrozenTrial, confirmations: list[Confirmation]) -> Best:
    """The best trial: its settings, scores, run, and the command that trains it again."""
    folder, result = study.folder, trial.user_attrs.get("result", {})
    again = confirmations[0] if confirmations else None
    references = result.get("references")
    return Best(
        trial=trial.number,
        value=again.mean if again else trial.values[0],
        found=trial.values[0],
        settings=trial.params,
        run=trial.user_attrs["run"],
        command=configuration.command(folder.config(trial.number, trial.params)),
        parameters=result.get("parameters"),
        test={name: score.mean for name, score in again.test.items()} if again else result.get("test", {}),
        comparison=Comparison(**result["comparison"]) if result.get("comparison") else None,
        references=references and [Reference(**reference) for reference in references],
    )


def borders(study: Study, best: FrozenTrial) -> list[str]:
    """A sentence for each setting of the best trial that lies on a border of its range."""
    plain = wording.plain
    where = f"SPACE in experiments/{study.folder.base.experiment}.py"
    return [
        f"The best {name.replace('_', ' ')}, {plain(value)}, lies on the border of its range {plain(values.low)} to "
        f"{plain(values.high)}: look in {plain(wider[0])} to {plain(wider[1])} too ({where})."
        for name, value, values, wider in study.folder.space.borders(best.params, grid=study.folder.sampler == "grid")
    ]


def timing(study: Study) -> str:
    """What in this study depends on timing, in a sentence."""
    sampler, pruner = study.folder.sampler, study.folder.pruner
    if study.folder.lag is not None:
        again = f"make reproduce STUDY={study.folder.name}"
        ended = f" {why_it_ended(study)}" if "ended" in study.trials.user_attrs else ""
        return f"The same seed gives this study again bit for bit, with any number of workers ({again}).{ended}"
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


def trial_row(trial: FrozenTrial) -> TrialRow:
    """A trial as a row of the page's last table."""
    attributes, result = trial.user_attrs, trial.user_attrs.get("result", {})
    size, seconds, resumed = result.get("parameters"), result.get("seconds"), result.get("resumed_after", [])
    state, reason, run = trial.state.name.lower(), attributes.get("reason"), attributes.get("run")
    return TrialRow(trial.number, state, trial.value, reason, trial.params, run, size, seconds, resumed)
