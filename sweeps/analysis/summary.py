"""What a study came to, as summary.json and summary.md in its folder, with figures/, and in short on the terminal.

summary.json holds: `study`, `experiment`, `metric`, `lower_is_better`, `seed`, `sampler`, `pruner`, `storage`;
`trials`, counts of those that `ended`, `finished`, were `pruned` or `failed`, and were run `again`; `minutes` from the
first start to the last end, and `cost_minutes`, those of all runs together; `plane`, a cell for each hidden size and
depth with `value` (the mean over `values`), `spread` (their standard deviation), `trials` and `parameters`; `best`, the
best configuration: `trial`, `value` (the mean on fresh seeds where it was run again), `found` (that of the trial),
`settings`, `parameters`, `run`, `command`, `test` scores, the baseline's `comparison` and `references`; `confirmed`, a
row for each configuration run again, best first: `trial`, `settings`, `parameters`, `found`, `values` by seed, their
`mean`, `low`, `high`, `spread` and `count`, `test` with the same of each score, and `runs`; `runner_up`, the paired
test between the first two; `importances` by setting; `supported`, `not_supported`, `borders`, `timing` and `unread`,
sentences; `list`, a row for each trial that has ended.
"""

import dataclasses

from optuna.trial import FrozenTrial, TrialState

from rnnkit.core import config as configuration
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.core.wording import listed, plain
from rnnkit.runs.result import Result
from sweeps.analysis import figures, inference, page
from sweeps.study.study import Study


def write(study: Study) -> str:
    """Write summary.md, summary.json and figures/ into the study's folder, and return what to print."""
    folder = study.folder.path
    facts = study.storage.patiently(collect, study)
    files.write_json(folder / "summary.json", facts)
    figures.draw(facts, folder / "figures")
    files.write_whole(folder / "summary.md", page.markdown(facts, folder / "figures").encode())
    return page.short(study.folder, facts)


def collect(study: Study) -> dict:
    """The study in numbers, as plain values."""
    folder, space = study.folder, study.folder.space
    ended = [trial for trial in study.all_of() if trial.state.is_finished()]
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    again = study.again.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    ran_again = inference.in_order(study)
    confirmed = [row(study, number, trials) for number, trials in ran_again]
    best = space.best(complete)
    if confirmed:
        best = next(trial for trial in complete if trial.number == confirmed[0]["trial"])
    plane = inference.cells(study)
    groups = [cell["values"] for cell in plane] + [list(r["values"].values()) for r in confirmed]
    supported, not_supported = inference.in_the_plane(study, plane, inference.spread(groups))
    second = runner_up(study, ran_again)
    if second is not None:
        (supported if second.supported else not_supported).insert(0, second_in_words(second))
    starts = [trial.datetime_start for trial in ended + again if trial.datetime_start]
    ends = [trial.datetime_complete for trial in ended + again if trial.datetime_complete]
    seconds = [trial.user_attrs.get("result", {}).get("seconds") or 0.0 for trial in ended + again]
    return {
        "format": 1,
        "study": folder.name,
        "experiment": folder.base.experiment,
        "metric": space.metric,
        "lower_is_better": space.lower_is_better,
        "seed": folder.seed,
        "sampler": folder.sampler,
        "pruner": folder.pruner,
        "storage": study.storage.kind,
        "trials": {
            "ended": len(ended),
            "finished": len(complete),
            "pruned": sum(trial.state == TrialState.PRUNED for trial in ended),
            "failed": sum(trial.state == TrialState.FAIL for trial in ended),
            "again": len(again),
        },
        "minutes": (max(ends) - min(starts)).total_seconds() / 60 if starts and ends else 0.0,
        "cost_minutes": sum(seconds) / 60,
        "plane": plane,
        "best": describe(study, best, confirmed) if best else None,
        "confirmed": confirmed,
        "runner_up": second and dataclasses.asdict(second),
        "importances": inference.importances(study),
        "supported": supported,
        "not_supported": not_supported,
        "borders": borders(study, best) if best else [],
        "timing": timing(study),
        "unread": unread(study, [*complete, *(trial for _, trials in ran_again for trial in trials)]),
        "list": [trial_row(trial) for trial in ended],
    }


def row(study: Study, number: int, trials: list[FrozenTrial]) -> dict:
    """A configuration that was run again on fresh seeds."""
    original = next(trial for trial in study.all_of() if trial.number == number)
    results = [trial.user_attrs["result"] for trial in trials]
    test = {name: [result["test"][name] for result in results] for name in results[0]["test"]}
    return {
        "trial": number,
        "settings": original.params,
        "parameters": results[0]["parameters"],
        "found": original.value,
        "values": {str(seed): value for seed, value in sorted(inference.by_seed(trials).items())},
        **dataclasses.asdict(
            inference.Mean.of([trial.value for trial in trials], inference.limits(study.folder.space.metric))
        ),
        "test": {name: dataclasses.asdict(inference.Mean.of(v, inference.limits(name))) for name, v in test.items()},
        "runs": [trial.user_attrs["run"] for trial in trials],
    }


def runner_up(study: Study, ran_again: list[tuple[int, list[FrozenTrial]]]) -> inference.Paired | None:
    """The paired test between the two best of what was run again, best first; None where there are no two."""
    if len(ran_again) < 2:
        return None
    (number, ours), (other, theirs) = ran_again[:2]
    sign = -1 if study.folder.space.lower_is_better else 1
    return inference.paired(number, other, inference.by_seed(ours), inference.by_seed(theirs), sign)


def second_in_words(found: inference.Paired) -> str:
    """The paired test in a sentence."""
    verdict = "is better than" if found.supported else "is not told apart from"
    return (
        f"Trial {found.trial}'s configuration {verdict} the runner-up, trial {found.other}'s: better by "
        f"{found.difference:+.4f}, 95 % interval {found.low:+.4f} to {found.high:+.4f}, in pairs over {found.seeds} "
        f"fresh seeds (p {found.p:.2g})."
    )


def describe(study: Study, trial: FrozenTrial, confirmed: list[dict]) -> dict:
    """The best trial: its settings, scores, run, and the command that trains it again."""
    folder, result = study.folder, trial.user_attrs.get("result", {})
    again = confirmed[0] if confirmed else None
    return {
        "trial": trial.number,
        "value": again["mean"] if again else trial.value,
        "found": trial.value,
        "settings": trial.params,
        "run": trial.user_attrs["run"],
        "command": configuration.command(folder.config(trial.number, trial.params)),
        "parameters": result.get("parameters"),
        "test": {k: v["mean"] for k, v in again["test"].items()} if again else result.get("test", {}),
        "comparison": result.get("comparison"),
        "references": result.get("references"),
    }


def borders(study: Study, best: FrozenTrial) -> list[str]:
    """A sentence for each setting of the best trial that lies on a border of its range."""
    where = f"SPACES[{study.folder.base.experiment!r}] in sweeps/study/spaces.py"
    return [
        f"The best {name.replace('_', ' ')}, {plain(value)}, lies on the border of its range {plain(values.low)} to "
        f"{plain(values.high)}: look in {plain(wider[0])} to {plain(wider[1])} too ({where})."
        for name, value, values, wider in study.folder.space.borders(best.params, grid=study.folder.sampler == "grid")
    ]


def timing(study: Study) -> str:
    """What in this study depends on timing, in a sentence."""
    sampler, pruner = study.folder.sampler, study.folder.pruner
    pruned = pruner == "percentile" and sampler != "grid" or pruner == "auto" and sampler in ("tpe", "plane-then-tpe")
    what = ["what TPE suggests"] * (sampler in ("tpe", "plane-then-tpe")) + ["what is pruned"] * pruned
    if not what:
        return "The same seed gives this study again bit for bit, with any number of workers."
    return (
        "With one worker, the same seed gives this study again bit for bit; with several, "
        f"{listed(what)} depends on which trials have ended by then."
    )


def unread(study: Study, trials: list[FrozenTrial]) -> list[str]:
    """A line for each run of `trials` whose result is damaged."""
    lines = []
    for trial in trials:
        try:
            Result.read(study.folder.base.runs_dir / trial.user_attrs["run"])
        except UserError as error:
            known = trial.user_attrs
            which = f"trial {trial.number}"
            if "confirms" in known:
                which = f"trial {known['confirms']} on fresh seed {known['repeat'] + 1}"
            lines.append(f"the run of {which} cannot be read: {error}")
    return lines


def trial_row(trial: FrozenTrial) -> dict:
    """A trial as a row of the page's last table."""
    result = trial.user_attrs.get("result", {})
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value,
        "reason": trial.user_attrs.get("reason"),
        "settings": trial.params,
        "run": trial.user_attrs.get("run"),
        "parameters": result.get("parameters"),
        "seconds": result.get("seconds"),
        "resumed_after": result.get("resumed_after", []),
    }
