"""What a sweep can be told, and what follows for its trials: what they start from, and what is searched."""

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

import experiments
from rnnkit.core import BaseConfig, Checked, UserError, cli, given, processes, refuse_idle, secrets
from rnnkit.core import config as configuration
from rnnkit.training import Space
from sweeps.study import MOST_TRIALS, StudyFolder, asked, folders, limits, storage


@dataclass(frozen=True)
class Options(Checked):
    """What a sweep can be told."""

    experiment: Annotated[str, tyro.conf.Positional]
    """Which experiment to sweep."""
    trials: int | None = None
    """Trials in all, those done before included; by default what the experiment says, 24 most often, with --sampler
    grid 3 for each point of the plane."""
    minutes: float | None = None
    """End within so many minutes, the best on fresh seeds and the answer included, with as many trials as there is time
    for (at most --trials), or earlier where nothing is left to gain."""
    workers: int = processes.cores()
    """Processes that train side by side on this machine, one thread each; 0 where all of them are elsewhere."""
    seed: int = 0
    """Seed of the study, from which all its trials derive theirs."""
    sampler: Literal["plane-then-tpe", "grid", "random", "tpe"] | None = None
    """Which points to try: plane-then-tpe, the plane hidden size x depth and then what TPE suggests, is the default;
    grid, the plane or --grid again and again with other seeds; random points; TPE's from the start, as with --from."""
    grid: tuple[str, ...] = ()
    """A grid of one's own in place of the plane, as in cell=lstm,gru hidden_size=16,32; all else is fixed."""
    seeds: int | None = None
    """How often each point of a grid is trained, each time with another seed, the same for all points; by default 3."""
    parameters: int | None = None
    """With --grid: choose hidden sizes so that each point has about so many parameters."""
    most_parameters: int | None = None
    """Train no net with more parameters, and show the front of score against size."""
    most_ms: float | None = None
    """Likewise no net a prediction of which takes more milliseconds here, as measured: a sequence in a batch."""
    space: tuple[str, ...] = ()
    """Other ranges or choices to search in, as in hidden_size=8..128 cell=gru,lstm; a study's may be widened so."""
    from_: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Another study of the experiment in the runs folder, from whose trials TPE learns too."""
    pruner: Literal["auto", "percentile", "none"] = "auto"
    """Whether poor trials are ended early: auto where TPE chooses, percentile wherever but in the plane, none never."""
    lag: int = folders.LAG
    """A point learns from those up to so many before it, so no more run side by side where TPE chooses; half as many
    workers hardly ever wait for each other."""
    foretell: bool = False
    """Begin with the sizes that are likeliest to learn by a look before training, and beyond the plane end trials that
    after a fifth of their steps have not half the chance to learn that one before had: see docs/flags.md."""
    confirm: int | None = None
    """So many of the best configurations are run again on fresh seeds, 0 for none; by default what the experiment says,
    3 most often."""
    confirm_seeds: int | None = None
    """On so many fresh seeds each; by default 3."""
    study: str | None = None
    """Name of the study; by default <experiment>-s<seed>, of own data own-<file>-s<seed>."""
    storage: str = field(default_factory=lambda: os.environ.get("RNNKIT_STORAGE", "journal"))
    """Where trials are kept: journal, a file of the study's for one machine, or postgresql://user@host/database, for
    many; the environment variable RNNKIT_STORAGE says it too."""
    gpus: str = ""
    """GPUs to train on, one worker each: their numbers, as in 0,1, or all; each worker then sees its own alone."""
    runs_dir: Path = Path("runs")
    """Folder that holds the runs and, under studies/, the study."""
    track: Literal["auto", "offline", "online", "off"] = "auto"
    """Mirror each trial to Weights & Biases; auto is online where you are logged in, else offline."""

    def __post_init__(self):
        if self.trials is not None:
            self._require("trials", 1 <= self.trials <= MOST_TRIALS, f"between 1 and {MOST_TRIALS:,}")
        self._require("workers", 0 <= self.workers <= 1_000, "between 0 and 1,000")
        self._require("seed", 0 <= self.seed < 2**31, "between 0 and 2^31 - 1")
        self._require("lag", 1 <= self.lag <= 1_000, "between 1 and 1,000")
        self._require("confirm", self.confirm is None or 0 <= self.confirm <= 100, "between 0 and 100")
        seeds = self.confirm_seeds
        self._require("confirm_seeds", seeds is None or 2 <= seeds <= 1_000, "between 2 and 1,000")
        name = self.study or ""
        if self.study is not None and not (name.replace("-", "").isascii() and name.replace("-", "").isalnum()):
            raise UserError(f"--study must be made of letters, digits and dashes, not {self.study!r}")
        self._require("study", not name.startswith("-"), "a name that does not begin with a dash")
        self._require("study", len(name) <= 100, "of at most 100 characters")
        storage.check(self.storage)
        if self.storage == "journal" and self.workers == 0:
            raise UserError("--workers 0 needs workers elsewhere, which find each other by --storage postgresql://...")
        if self.gpus and self.workers == 0:
            raise UserError("--gpus is for workers here, and --workers 0 has none: set CUDA_VISIBLE_DEVICES elsewhere")
        if self.confirm == 0 and seeds is not None:
            raise UserError("--confirm-seeds has no effect with --confirm 0: leave it out, or confirm 1 or more")
        if self.pruner == "percentile" and self.kind == "grid":
            raise UserError("--pruner percentile has no effect with --sampler grid, which ends no trial: leave it out")
        if self.minutes is not None:
            self._require("minutes", 0 < self.minutes < 1e6, "above 0, and below 1,000,000")
            if self.workers == 0:
                raise UserError("--minutes needs workers here: those elsewhere could not be told that the time is up")
        for name in ("most_parameters", "most_ms"):
            self._require(name, getattr(self, name) is None or getattr(self, name) > 0, "above 0")
        self._check_grid()

    def _check_grid(self) -> None:
        if self.grid and (self.sampler not in (None, "grid") or self.space):
            other = "--space" if self.space else f"--sampler {self.sampler}"
            raise UserError(f"--grid is all that is trained: it does not go with {other}")
        if self.seeds is not None:
            self._require("seeds", 1 <= self.seeds <= 1_000, "between 1 and 1,000")
            if self.kind != "grid":
                raise UserError("--seeds says how often each point of a grid is trained: it needs --grid ...")
            if self.trials is not None:
                raise UserError("--seeds and --trials both say how many trials a grid has: leave one out")
        if self.parameters is not None:
            self._require("parameters", self.parameters > 0, "above 0")
            if not self.grid:
                raise UserError("--parameters chooses the hidden sizes of a grid: it needs --grid, as in cell=lstm,gru")
        if self.from_ is not None and self.kind in ("grid", "random"):
            raise UserError(f"--from is what TPE learns from: it has no effect with --sampler {self.kind}")

    @property
    def kind(self) -> Literal["plane-then-tpe", "grid", "random", "tpe"]:
        """The sampler that is meant."""
        return self.sampler or ("grid" if self.grid else "tpe" if self.from_ else "plane-then-tpe")


def total(options: Options, folder: StudyFolder) -> int:
    """How many trials the study is to have."""
    in_grid = (options.seeds or 3) * len(folder.space.plane())
    return options.trials or (in_grid if folder.sampler == "grid" else experiments.space_of(folder.base).trials)


def again(options: Options, folder: StudyFolder) -> tuple[int, int]:
    """How many of the best configurations are run again, and on how many fresh seeds each."""
    usual = experiments.space_of(folder.base).again if options.confirm is None else options.confirm
    return usual, options.confirm_seeds or 3


def searched_by(options: Options, base: BaseConfig) -> Space | None:
    """The search space that the command line asks for; None for the experiment's own."""
    if options.grid:
        points, left_out = asked.grid(asked.choices(options.grid, base), base)
        print("".join(f"{line}\n" for line in left_out), end="")
        if options.parameters is not None:
            points = asked.of_size(points, options.parameters, base, limits.parameters)
        return Space.of_points(points)
    known = experiments.space_of(base).fitting(base)
    return asked.space(known, asked.ranges(options.space, base), base) if options.space else None


def likeliest_first(base: BaseConfig, space: Space) -> tuple[int, ...]:
    """The places of the plane's points, the likeliest first; equal ones, and nets not looked into, as they come."""
    run = experiments.load(base.experiment).run
    seen = [run.screened(base.changed(**point)).foretold for point in space.plane()]
    chances = [0.0 if one is None else one.chance for one in seen]
    return tuple(sorted(range(len(chances)), key=lambda place: -chances[place]))


def base_config(options: Options, flags: list[str]) -> BaseConfig:
    """What all trials start from: the experiment's defaults, changed by `flags`, which are not the sweep's to set."""
    module = experiments.load(options.experiment)
    if not hasattr(module, "SPACE"):
        raise UserError(f"experiments/{options.experiment}.py states no SPACE: there is nothing to sweep")
    base = cli.parse(module.Config, f"python -m experiments.{options.experiment}", flags)
    refused = {"threads": "is 1 in a sweep: choose with --workers, before the --, what it takes"}
    refused["screen"] = f"trains nothing: give it to python -m experiments.{options.experiment}"
    base = module.run.settled(base)
    refused |= dict.fromkeys(varied(options, experiments.space_of(base)), "is what the sweep varies: leave it out")
    own = [field.name for field in dataclasses.fields(Options)]
    refused |= dict.fromkeys(own, "is the sweep's own option: give it before the --")
    if options.workers == 0:
        elsewhere = "is for each worker to say, and with --workers 0 none runs here: give it to python -m sweeps.worker"
        refused |= {"save_every": elsewhere, "data_dir": "is not known elsewhere: set RNNKIT_DATA where workers run"}
    for name in given(flags):
        if name in refused:
            raise UserError(f"--{name.replace('_', '-')} {refused[name]}")
    refuse_idle(base, flags)
    secrets.require_none(configuration.settings(base))
    return dataclasses.replace(base, runs_dir=options.runs_dir, track=options.track)


def varied(options: Options, space: Space) -> set[str]:
    """The settings that the sweep varies, those that it chooses included."""
    words = {word.partition("=")[0].replace("-", "_") for word in options.grid or options.space}
    return words | ({"hidden_size"} if options.parameters else set() if options.grid else space.varied())
