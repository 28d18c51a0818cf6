"""Sweep a study again from its seed alone, and see whether every bit comes out the same.

    python -m sweeps.reproduce digits-s0
    python -m sweeps.reproduce digits-s0 --workers 4
    make reproduce STUDY=digits-s0

The replay goes to a folder of its own, runs/reproduced/, by any number of workers. Compared are every trial's settings,
state, value, values by evaluation and weights, those on fresh seeds too, and every metric of every step of their runs
but the speed. Exits with 0 where they are identical; else with 1, and says the first difference. Of a study that an
earlier version made, where what TPE suggested depended on timing, the runs are trained again one by one.
"""

import dataclasses
import itertools
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from experiments import reproduce
from rnnkit.core import RunsOptions, UserError, cli, processes, surroundings, wording, writing
from rnnkit.runs import replay
from sweeps.study import MOST_TRIALS, Study, StudyFolder, folders, identity, local_workers, points, storage, suggestions
from sweeps.study import study as studies


@dataclass(frozen=True)
class Options(RunsOptions):
    """Which study, and how."""

    study: Annotated[str, tyro.conf.Positional]
    """The study: its name."""
    workers: int = processes.cores()
    """Processes that train side by side, one thread each; any number gives the same study."""
    to: Path | None = None
    """Folder for the replay; by default reproduced/ in the runs folder."""
    storage: str = field(default_factory=lambda: os.environ.get("RNNKIT_STORAGE", "journal"))
    """Where the study is kept: journal, in the runs folder, or postgresql://user@host/database."""
    data_dir: Path | None = None
    """Folder that holds the data sets; else the environment variable RNNKIT_DATA says, else it is ~/.cache/rnnkit."""

    def __post_init__(self):
        self._require("workers", 1 <= self.workers <= 1_000, "between 1 and 1,000")
        storage.check(self.storage)


@dataclass(frozen=True)
class Check:
    """How a replay stands to its study: the first `difference`, None where there is none; how many values agree."""

    difference: str | None
    compared: int
    surroundings: list[tuple[str, object, object]]


def swept_again(study: Study, to: Path, workers: int) -> Study:
    """The study made anew from its seed in the runs folder `to`, or a replay there that was cut off gone on with."""
    base = study.folder.base.changed(runs_dir=to)
    for repeat in itertools.count(1):
        name = study.folder.name if repeat == 1 else f"{study.folder.name}-{repeat}"
        asked = dataclasses.replace(study.folder, path=to / "studies" / name, base=base, address="journal", made=())
        with folders.held(to, name):
            again = studies.create(folders.opened(asked))
            if "total" in again.trials.user_attrs and not points.left(again):
                continue  # one that ended stays as it is
            if "from" in study.trials.user_attrs:
                again.trials.set_user_attr("from", study.trials.user_attrs["from"])
            again.ask_for(study.total, study.confirm)
            local_workers.carry_out(again, local_workers.slots(workers, []))
            return again
    raise AssertionError


def compare(study: Study, again: Study) -> Check:
    """A study and its replay: what their trials came to, and all that their runs recorded, where they still lie there.

    What an earlier, smaller state of the study ran again on fresh seeds is no part of it.
    """
    ours, theirs = identity.outcomes(study), identity.outcomes(again)
    ours = {name: one for name, one in ours.items() if name in theirs or "fresh seed" not in name}
    difference = identity.difference(ours, theirs)
    compared, beside = len(ours), []
    for name, one in ours.items():
        pair = [
            place.folder.base.runs_dir / (found[name].run or "none")
            for place, found in ((study, ours), (again, theirs))
            if name in found
        ]
        if len(pair) == 2 and all((path / "result.json").exists() for path in pair):
            check = replay.compare(*pair)
            compared += check.compared
            beside = beside or check.surroundings
            difference = difference or (check.difference and f"{name}, {one.run}: {check.difference}")
    return Check(difference, compared, beside)


def learned_by_timing(folder: StudyFolder) -> bool:
    """Whether what a study's points learned depended on timing, as in those of earlier versions it could."""
    chosen = folder.sampler in ("tpe", "plane-then-tpe")
    return folder.lag is None and (chosen or suggestions.prunes(folder, MOST_TRIALS))


def run_by_run(study: Study, options: Options) -> int:
    """Train each run of a study again, say how it stands to its original, and return how many differ."""
    differ = 0
    for name, one in identity.outcomes(study).items():
        if one.run is None or one.weights is None:
            continue
        folder = options.runs_dir / one.run
        told = reproduce.Options(one.run, options.data_dir, runs_dir=options.runs_dir, to=options.to)
        check = replay.compare(folder, reproduce.replay_run(folder, told).folder)
        differ += check.difference is not None
        print(f"{name}, {one.run}: {check.difference or f'identical, {check.compared:,} values'}", flush=True)
    return differ


def main() -> None:
    """Sweep again, compare, and say how it went."""
    surroundings.count_in_utc()
    options = cli.parse(Options, "python -m sweeps.reproduce", sys.argv[1:], __doc__)
    placed = {"track": "off", "data_dir": options.data_dir}
    study = studies.join(options.runs_dir, options.study, options.storage, **placed)
    if left := points.left(study):
        what = wording.count(left, "trial")
        raise UserError(f"study {options.study} has {what} left: python -m sweeps.run goes on with it")
    if learned_by_timing(study.folder):
        print(f"study {options.study} is of an earlier version, in which it depended on timing too: run by run")
        if differ := run_by_run(study, options):
            print(f"not identical: {wording.count(differ, 'run')} of study {options.study}")
            sys.exit(1)
        return
    to = options.to or options.runs_dir / "reproduced"
    with writing(to, "--to"):
        to.mkdir(parents=True, exist_ok=True)
    again = swept_again(study, to, options.workers)
    check = compare(study, again)
    if check.difference is None:
        sha = identity.digest(identity.outcomes(again))
        trials = f"{study.total} trials and {len(identity.outcomes(again)) - study.total} runs on fresh seeds"
        print(f"identical: study {options.study}, {trials}, {check.compared:,} values and all weights (SHA-256 {sha})")
        return
    print(f"not identical: study {options.study}; first difference at {check.difference} (original and replay)")
    for what, one, other in check.surroundings:
        print(f"  {what} differs: {one} and {other}")
    sys.exit(1)


if __name__ == "__main__":
    cli.main(main)
