"""What a person sees while a sweep runs: a bar over the trials with the best so far, and a line for each that ends."""

import sys

import optuna
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from sweeps import study as studies
from sweeps.study import StudyFolder
from sweeps.words import in_words, plain, settings_in_words  # noqa: F401 (said here as well)


class Progress:
    """Watches a study of `total` points. The bar shows on a terminal only; the lines always do."""

    def __init__(self, folder: StudyFolder, study: optuna.Study, total: int):
        self.study = study
        self.total = total
        self.space = folder.space
        self.metric = in_words(folder.space.metric)
        self._seen: set[int] = set()
        self._bar = tqdm(total=total, unit="trial", disable=not sys.stderr.isatty(), leave=False)

    def __enter__(self) -> "Progress":
        done = self._update()
        if done:
            print(f"Going on with study {self.study.study_name}: {done} of {self.total} trials are done")
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._bar.close()
        if kind in (KeyboardInterrupt, SystemExit):
            done = self.total - self.left()
            print(f"Stopped with {done} of {self.total} trials done; the same command goes on from here")

    def left(self) -> int:
        """How many points have not ended."""
        points = studies.by_point(self.study)
        return sum(not studies.has_ended(points.get(point, [])) for point in range(self.total))

    def look(self) -> None:
        """Print the trials that ended since the last look, and move the bar."""
        self._update(self._say)

    def _update(self, say=None) -> int:
        finished = [t for t in self.study.get_trials(deepcopy=False) if t.state.is_finished()]
        for trial in finished:
            if trial.number not in self._seen and say:
                say(trial)
            self._seen.add(trial.number)
        done = self.total - self.left()
        complete = [t for t in finished if t.state == TrialState.COMPLETE]
        if complete:
            best = self.space.best(complete)
            self._bar.set_description(f"best {self.metric} {best.value:.4f} (trial {best.number})", refresh=False)
        self._bar.update(done - self._bar.n)
        return done

    def _say(self, trial: FrozenTrial) -> None:
        settings = settings_in_words(trial.params)
        seconds = (trial.datetime_complete - trial.datetime_start).total_seconds() if trial.datetime_start else 0
        with tqdm.external_write_mode():
            print(f"trial {trial.number:>3}  {outcome(trial)}  {seconds:5.1f} s  {settings}", flush=True)


def outcome(trial: FrozenTrial) -> str:
    """How a trial ended, in few words."""
    if trial.state == TrialState.COMPLETE:
        return f"{trial.value:.4f}"
    if trial.state == TrialState.PRUNED:
        return "pruned"
    return f"failed ({trial.user_attrs.get('reason', 'cut off; queued again')})"
