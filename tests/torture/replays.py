"""Stored runs of all experiments, replayed from their manifests; then with one thing in the manifest changed.

    python -m tests.torture.replays

Among them are trials of a sweep that ran side by side, pruned ones, a run that diverged, one that was killed and went
on, one on two threads, and one that was observed in full. What was changed must be named, each in turn: versions,
machine, data, code, numeric settings, and every setting of the configuration.
"""

import dataclasses
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import char_lm, digits, memory, music, pixels, reproduce, sentiment, tagging, word_lm
from rnnkit.core import cli, files
from rnnkit.core.config import BaseConfig, command, run_name
from rnnkit.runs import tracking
from rnnkit.runs.manifest import Manifest, Membership
from rnnkit.runs.result import Result
from sweeps import run as sweep
from tests.helpers import ROOT
from tests.torture import forks, kills


@dataclass(frozen=True)
class Options:
    """What can be said to the torture: nothing so far."""


def configurations(runs: Path) -> list[tuple[object, BaseConfig]]:
    """The runs to store: each a second or a few, on data that are made or come with Python."""
    few = {"track": "off", "runs_dir": runs, "hidden_size": 8}
    short = {**few, "epochs": 1}
    read = {"text": str(ROOT / "README.md"), "embedding_size": 8, "batch_size": 16, **short}
    made = {"data": "made", **short}
    return [
        (digits, digits.Config(cell="lstm", depth=2, dropout=0.3, **short)),
        (digits, digits.Config(view="rows", cell="rnn", init="identity", bidirectional=False, epochs=2, **few)),
        (digits, digits.Config(view="rows", layers="torch", optimizer="rmsprop", schedule="cosine", epochs=2, **few)),
        (digits, digits.Config(view="rows", seed=11, observe="full", observe_every=10, **short)),
        (digits, digits.Config(view="rows", cell="rnn", learning_rate=1e38, clip=0, **short)),  # diverges
        (digits, digits.Config(view="rows", threads=2, **{**short, "hidden_size": 64})),
        (sentiment, sentiment.Config(pool="attention", order="bucketed", word_dropout=0.1, head_dropout=0.2, **made)),
        (sentiment, sentiment.Config(cell="gru", pool="joined", bidirectional=True, keep="best", **made)),
        (char_lm, char_lm.Config(**read)),
        (char_lm, char_lm.Config(reading="streams", cell="gru", keep="best", evaluate_every=10, **read)),
        (word_lm, word_lm.Config(embedding_size=8, tied=True, outer_dropout=0.2, **made)),
        (memory, memory.Config(task="adding", length=20, round=10, **short)),
        (memory, memory.Config(task="copying", length=10, round=10, cell="gru", **short)),
        (memory, memory.Config(task="reber", round=10, init="forget-bias", **short)),
        (tagging, tagging.Config(data="python", embedding_size=8, letter_size=4, reader_size=4, **short)),
        (music, music.Config(data="made", depth=2, dropout=0.1, **short)),
        (pixels, pixels.Config(order="permuted", pixels_per_step=56, train_size=200, **made)),
    ]


def killed_and_resumed(runs: Path) -> Path:
    """A run that was killed, and went on."""
    words = {"view": "rows", "hidden_size": 8, "depth": 2, "dropout": 0.2, "epochs": 2, "track": "off"}
    config = digits.Config(seed=3, runs_dir=runs, **words)

    def before():
        kills.reaching(tracking.Run, "log", 50, lambda *_: os.kill(os.getpid(), signal.SIGKILL), kills.always)

    assert forks.ended(forks.started(digits.main, forks.words(config), before)) == -signal.SIGKILL
    return forks.run(digits, config)


def pruned(runs: Path) -> Path:
    """A run that was pruned at its second evaluation, as a sweep does it."""
    config = digits.Config(view="rows", hidden_size=8, seed=4, track="off", runs_dir=runs)

    def report(evaluation: int, value: float) -> None:
        if evaluation == 2:
            raise tracking.Pruned

    assert forks.ended(forks.started(lambda: digits.run(config, report) and None, [])) == 0
    return runs / run_name(config)


def trials(runs: Path) -> list[Path]:
    """The runs of a small sweep on two workers."""
    words = ["digits", "--trials", "8", "--workers", "2", "--track", "off", "--runs-dir", str(runs)]
    words += ["--", "--view", "rows", "--epochs", "1", "--batch-size", "64"]
    assert forks.ended(forks.started(sweep.main, words)) == 0
    return sorted(path.parent for path in runs.glob("*/manifest.json"))


def replayed(folder: Path, *words: str) -> tuple[int, str]:
    """The exit code of a replay, and what it said."""
    heard, said = os.pipe()
    child = forks.started(reproduce.main, [str(folder), *words], to=said)
    os.close(said)
    with open(heard) as file:
        text = file.read()
    return forks.ended(child), text


def identical(folder: Path) -> bool:
    """Whether a run's replay is identical, with nothing to say of the surroundings."""
    code, text = replayed(folder)
    assert code == 0, f"{folder.name}: exit {code}, {text}"
    assert [line.split(",")[0] for line in text.splitlines() if " differs: " in line or "dentical" in line] == [
        f"identical: {folder.name}"
    ], text
    return True


def surroundings() -> dict[str, Callable[[dict], None]]:
    """What is changed in a manifest, by the words with which a replay has to name it."""
    manifest = dataclasses.asdict(Manifest.of(digits.Config(), "run", {"digits": "0"}, Membership()))
    found: dict[str, Callable[[dict], None]] = {}
    for part in ("versions", "machine", "numerics", "data", "git"):
        for name in manifest[part]:
            found[f"{part} {name} differs: changed and "] = lambda m, part=part, name=name: m[part].update(
                {name: "changed"}
            )
    found["seed differs: -1 and "] = lambda m: m.update(seed=-1)
    found["format differs: -1 and "] = lambda m: m.update(format=-1)
    found["command differs: nothing and "] = lambda m: m.update(command="nothing")
    return found


_OTHERS = {"cell": "lstm", "init": "orthogonal", "layers": "torch", "optimizer": "sgd", "schedule": "cosine"}
_OTHERS |= {"keep": "last", "observe": "off", "device": "cpu", "view": "ink", "dropout": 0.1}


def other(name: str, value: object) -> object:
    """Another value that a setting could have."""
    if name in _OTHERS:
        return _OTHERS[name]
    return not value if isinstance(value, bool) else value + 1


def changed(folder: Path, runs: Path) -> tuple[int, int]:
    """Change one thing after the other in a run's manifest, and see that its replay names it: how many there were."""
    manifest = files.read_json(folder / "manifest.json")
    text = (folder / "manifest.json").read_text()
    around = surroundings()
    try:
        for named, change in around.items():
            values = files.read_json(folder / "manifest.json")
            change(values)
            files.write_json(folder / "manifest.json", values)
            code, said = replayed(folder, "--to", str(runs))
            assert named in said, f"{named} is not in: {said}"
            assert (code, said.split(":")[0]) == (0, "identical"), said  # the bits are the same all the same
            (folder / "manifest.json").write_text(text)
        for name, value in manifest["config"].items():
            values = {**manifest, "config": {**manifest["config"], name: other(name, value)}}
            files.write_json(folder / "manifest.json", values)
            code, said = replayed(folder, "--to", str(runs))
            named = f"--{name.replace('_', '-')} is {other(name, value)} in its config, {value} in its command"
            assert named in said, f"{name}: {said}"
            assert code in (1, 2) or name == "observe_every", said  # the run has fewer steps than that
    finally:
        (folder / "manifest.json").write_text(text)
    return len(around), len(manifest["config"])


def main() -> None:
    """Torture as the command line says."""
    cli.parse(Options, "python -m tests.torture.replays", sys.argv[1:], __doc__)
    with TemporaryDirectory() as folder:
        runs = Path(folder)
        stored = []
        for module, config in configurations(runs):
            code = forks.ended(forks.started(module.main, forks.words(config)))
            assert code == (config.learning_rate == 1e38), f"{command(config)} exited with {code}"  # it diverges
            stored.append(runs / run_name(config))
        stored += [killed_and_resumed(runs), pruned(runs), *trials(runs / "swept")]
        statuses = [Result.read(each).status for each in stored]
        equal = sum(identical(each) for each in stored)
        kinds = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
        print(
            f"{equal} of {len(stored)} stored runs of {len(set(map(experiment, stored)))} experiments ({kinds}): "
            "identical",
            flush=True,
        )
        around, set_in_config = changed(stored[1], runs / "changed")
        print(
            f"one thing changed in a manifest: {around} of {around} surroundings and {set_in_config} of "
            f"{set_in_config} settings are named",
            flush=True,
        )


def experiment(folder: Path) -> str:
    """The experiment that a run is of."""
    return files.read_json(folder / "manifest.json")["experiment"]


if __name__ == "__main__":
    cli.main(main)
