"""What a study is, as its study.json says it, and whether a command that goes on with it asks for the same.

A trial carries out one planned point, and its number is the point's. All that is random about it derives from the
study's seed and that number.
"""

import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import experiments
from rnnkit.core import BaseConfig, UserError
from rnnkit.core import config as configuration
from rnnkit.runs import FORMAT
from rnnkit.training import Objective, Range, Space
from sweeps.study.limits import Limits


Sampler = Literal["plane-then-tpe", "grid", "random", "tpe"]
Pruner = Literal["auto", "percentile", "none"]

MOST_TRIALS = 9_000  # in one study: the seeds from there on belong to confirmations
LAG = 4  # a point learns from those up to so many before it
MOST_SHOWN = 4  # differences between what a study was started with and what is asked for
COMPARED = ("experiment", "seed", "sampler", "pruner", "lag", "limits", "foretell", "storage", "config")


@dataclass(frozen=True)
class StudyFolder:
    """A study's folder and what study.json says of it.

    `base` is the configuration that all trials start from; a trial replaces in it what its point names. `searched`
    is the search space, None for the experiment's own; `earlier` are those that it had before it was widened, each
    with the number of points until which it holds. `lag` is None in a study that an earlier version began, in which
    what a point learned from depended on timing. `foretell` is the order in which the plane's points are tried, the
    likeliest first, where trials that are unlikely to learn are ended early; None where they are not. `made` names
    its folder and those made above it: none for one that was there.
    """

    path: Path
    base: BaseConfig
    seed: int
    sampler: Sampler = "plane-then-tpe"
    pruner: Pruner = "auto"
    address: str = "journal"
    lag: int | None = LAG
    searched: Space | None = None
    earlier: tuple[tuple[int, Space], ...] = ()
    limits: Limits = Limits()
    foretell: tuple[int, ...] | None = None
    made: tuple[Path, ...] = ()

    @property
    def reach(self) -> int:
        """A point learns from those up to so many before it."""
        return self.lag or LAG

    @property
    def name(self) -> str:
        """The study's name, which is its folder's."""
        return self.path.name

    @functools.cached_property
    def space(self) -> Space:
        """The search space, by default that of the experiment, without choices that do not go with the settings."""
        return self.searched or experiments.space_of(self.base).fitting(self.base)

    def space_at(self, number: int) -> Space:
        """The search space that the point of this number is of."""
        return next((space for until, space in self.earlier if number < until), self.space)

    @functools.cached_property
    def objective(self) -> Objective:
        """What the trials are judged by."""
        return experiments.objective_of(self.base)

    def describe(self) -> dict[str, Any]:
        """What must be the same for the study to be continued; with it, study.json holds versions and the time."""
        judged = {"metric": self.objective.metric, "lower_is_better": self.objective.lower_is_better}
        values = {
            "format": FORMAT,
            "study": self.name,
            "experiment": self.base.experiment,
            "seed": self.seed,
            "sampler": self.sampler,
            "pruner": self.pruner,
            **({} if self.lag is None else {"lag": self.lag}),
            "storage": "journal" if self.address == "journal" else "postgresql",
            "config": configuration.settings(self.base),
            "space": judged | _plain(self.space),
        }
        if self.limits.any:
            values["limits"] = dataclasses.asdict(self.limits)
        if self.foretell is not None:
            values["foretell"] = self.foretell
        if self.earlier:
            values["earlier"] = [{"until": until, **_plain(space)} for until, space in self.earlier]
        return json.loads(json.dumps(values, default=str))

    def planned(self, number: int) -> dict[str, Any]:
        """The values of a point of the plane or grid, which is gone through again and again."""
        plane = self.space.plane()
        place = number % len(plane)
        return plane[self.foretell[place] if self.foretell else place]

    def config(self, number: int, values: dict[str, Any]) -> BaseConfig:
        """The configuration of the trial of this number, or on fresh seed `number` - `MOST_TRIALS`, with these values.

        A fresh seed is the same for all that is run again on it, so in pairs; and so is, in a grid, the seed of each
        round, but in those that an earlier version began.
        """
        if self.sampler == "grid" and self.lag is not None and number < MOST_TRIALS:
            number //= len(self.space.plane())
        return self.base.changed(seed=trial_seed(self.seed, number), **values)


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial's run: short, and another for each pair of study seed (below 2^31) and number."""
    return study_seed * 10_000 + number


def _plain(space: Space) -> dict[str, Any]:
    """A space as study.json holds it: without the points of a grid of one's own where there are none."""
    left_out = {"trials"} if space.points else {"trials", "points"}
    return {name: value for name, value in dataclasses.asdict(space).items() if name not in left_out}


def told(values: dict[str, Any]) -> Space:
    """The space that study.json tells of. Raises `UserError` where it tells of none."""
    try:
        ranges = {part: {name: _ranged(one) for name, one in values[part].items()} for part in ("studied", "tuned")}
        plane, points = (tuple(values["hidden_sizes"]), tuple(values["depths"])), tuple(values.get("points", ()))
        return Space(*plane, ranges["studied"], ranges["tuned"], values["start"], points=points)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"study.json is damaged: its space cannot be read ({error}); put back a copy of it") from None


def earlier_of(stored: dict[str, Any]) -> tuple[tuple[int, Space], ...]:
    """The spaces that a study had before it was widened, each with the number of points until which it held."""
    return tuple((one["until"], told(one)) for one in stored.get("earlier", ()))


def order_of(stored: dict[str, Any]) -> tuple[int, ...] | None:
    """The order in which a study tries the points of its plane, by what early signs say; None where it does not."""
    return None if stored.get("foretell") is None else tuple(stored["foretell"])


def _ranged(one: Any) -> Range | tuple[Any, ...]:
    if isinstance(one, list):
        return tuple(one)
    return Range(**one | {"needs": tuple(one["needs"]) if one["needs"] else None})


class OtherSpace(UserError):
    """A study has a search space of which the one that is asked for is no wider one."""


def is_of_another_space(folder: StudyFolder, stored: dict[str, Any]) -> bool:
    """Whether only its search space keeps the study of which study.json says `stored` from going on as this one."""
    try:
        continued(folder, stored)
    except OtherSpace:
        return True
    except UserError:  # said to whoever goes on with it
        return False
    return False


def continued(folder: StudyFolder, stored: dict[str, Any]) -> StudyFolder:
    """The study of which study.json says `stored`, as a command that goes on with it asks for it.

    A wider space than it has is taken on; where none was asked for, it keeps its own. Raises `UserError`, naming the
    first difference, where the command asks for another study.
    """
    if isinstance(kept := stored.get("config"), dict):
        # What is younger than the study has there the value that it was made with, whatever the command says.
        younger = {name: value for name, value in configuration.younger(folder.base).items() if name not in kept}
        folder = dataclasses.replace(folder, base=folder.base.changed(**younger))
    if "lag" not in stored and folder.lag == LAG:
        folder = dataclasses.replace(folder, lag=None)
    if folder.foretell is not None and (order := order_of(stored)) is not None:
        folder = dataclasses.replace(folder, foretell=order)
    require_same(stored, folder)
    known = told(stored["space"])
    return dataclasses.replace(folder, searched=_reconciled(folder, known), earlier=earlier_of(stored))


def _reconciled(folder: StudyFolder, known: Space) -> Space | None:
    """The space that a study goes on with, of the one that it has and the one asked for; None for the experiment's."""
    asked = folder.space
    if asked == known:
        return folder.searched
    if folder.searched is not None:  # the plane is what it was, whatever of it lies inside
        asked = dataclasses.replace(asked, hidden_sizes=known.hidden_sizes, depths=known.depths, start=known.start)
    same_plane = asked.plane() == known.plane()
    if same_plane and asked.covers(known):
        return asked
    if folder.searched is None and same_plane and known.covers(asked):
        return known
    difference = _difference(_flat(known), _flat(asked))
    raise OtherSpace(
        f"study {folder.name} was started with another space{difference}: it can be widened, not narrowed; "
        f"for another space start a new study: --study NAME --from {folder.name}"
    )


def _flat(space: Space) -> dict[str, Any]:
    """What a space is made of, by name."""
    parts = {name: value for name, value in vars(space).items() if name not in ("studied", "tuned", "trials")}
    return parts | {name: _in_words(values) for name, values in (space.studied | space.tuned).items()}


def _in_words(values: Range | tuple[Any, ...]) -> str:
    return ",".join(map(str, values)) if isinstance(values, tuple) else f"{values.low}..{values.high}"


def require_same(stored: dict[str, Any], folder: StudyFolder) -> None:
    """Raise `UserError`, naming the first difference, where a study was started with other settings than ours."""
    ours = folder.describe()
    if isinstance(kept := stored.get("config"), dict):
        stored = {**stored, "config": configuration.younger(folder.base) | kept}
    for key in COMPARED:
        if stored.get(key) != ours.get(key):
            raise _other(folder, key, stored.get(key), ours.get(key))
    for key in ("metric", "lower_is_better"):
        judged = stored.get("space")
        if not isinstance(judged, dict) or judged.get(key) != ours["space"][key]:
            raise _other(folder, "space", judged, ours["space"])


def _other(folder: StudyFolder, key: str, stored: Any, ours: Any) -> UserError:
    return UserError(
        f"study {folder.name} was started with another {key}{_difference(stored, ours)}: "
        "give those settings again to continue it, or choose a new name (--study NAME; of make sweep, STUDY=NAME)"
    )


def _difference(stored: Any, ours: Any) -> str:
    if not isinstance(stored, dict) or not isinstance(ours, dict):
        return f" ({stored}, not {ours})"
    of_all = {field.name for field in dataclasses.fields(BaseConfig)}
    changed = sorted(
        (k for k in ours if stored.get(k) != ours[k]), key=lambda k: k in of_all
    )  # an experiment's own first
    unset = lambda value: "unset" if value in ("", None) else value
    shown = [f"{k} {unset(stored.get(k))}, not {unset(ours[k])}" for k in changed[:MOST_SHOWN]]
    more = [f"and {len(changed) - MOST_SHOWN} more"] if changed[MOST_SHOWN:] else []
    return f" ({'; '.join([*shown, *more])})" if shown else ""
