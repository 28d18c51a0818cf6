"""How a sweep gets on, for whoever looks at the terminal or a log."""

from collections.abc import Callable

from optuna.trial import FrozenTrial, TrialState

from rnnkit.core import terminal, wording
from sweeps.study import points
from sweeps.study.study import Study


class Progress:
    """A bar over a study's trials with the best so far, on a terminal only, and a line for each that ends, always."""

    def __init__(self, study: Study, by_time: bool = False):
        self.study, self._by_time = study, by_time  # by_time: how many trials there will be, nobody knows
        self.metric = wording.metric(study.folder.objective.metric)
        self._seen: set[tuple[bool, int]] = set()
        self._bar = terminal.bar(total=study.storage.patiently(lambda: study.total), unit="trial")

    def __enter__(self) -> "Progress":
        self.study.storage.patiently(self._update)
        done, total = self._done()
        if done:
            print(f"Going on with study {self.study.folder.name}: {done} of {total} trials are done")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._bar.close()
        if kind in (KeyboardInterrupt, SystemExit):
            done, total = self._done()
            print(f"Stopped with {done} of {total} trials done; the same command goes on from here")

    def look(self) -> None:
        """Print the trials that ended since the last look, and move the bar."""
        self.study.storage.patiently(self._update, self._say)

    def _done(self) -> tuple[int, int]:
        """How many trials have ended, and of how many; those that are not planned yet have not."""

        def count() -> tuple[int, int]:
            return sum(trial.state.is_finished() for trial in self.study.all_of()), self.study.total

        return self.study.storage.patiently(count)

    def _update(self, say: Callable[[FrozenTrial, bool], None] | None = None) -> None:
        ended = [(False, trial) for trial in self.study.all_of() if trial.state.is_finished()]
        again = self.study.confirmations.get_trials(deepcopy=False)
        ended += [(True, trial) for trial in again if trial.state.is_finished()]
        self._bar.total = None if self._by_time else self.study.total + len(again)
        for confirms, trial in ended:
            if (confirms, trial.number) not in self._seen and say:
                say(trial, confirms)
            self._seen.add((confirms, trial.number))
        if best := points.best_so_far(self.study):
            self._bar.set_description(f"best {self.metric} {best[1]:.4f} ({best[0]})", refresh=False)
        self._bar.update(len(ended) - self._bar.n)

    def _say(self, trial: FrozenTrial, confirms: bool) -> None:
        seconds = trial.user_attrs.get("result", {}).get("seconds", 0.0)
        reason = trial.user_attrs.get("reason", "no reason given")
        what, settings = f"trial {trial.number:>3}", wording.settings(trial.params)
        if confirms:
            again = trial.user_attrs
            what, settings = f"again {again['confirms']:>3}", f"fresh seed {again['repeat'] + 1}"
        ended = "pruned" if trial.state == TrialState.PRUNED else f"failed ({reason})"
        ended = f"{trial.value:.4f}" if trial.state == TrialState.COMPLETE else ended
        with self._bar.external_write_mode():
            place = f"{len(self._seen) + 1} of {self._bar.total}" if self._bar.total else f"{len(self._seen) + 1}"
            print(f"{what}  {ended}  {seconds:5.1f} s  {place}  {settings}", flush=True)
