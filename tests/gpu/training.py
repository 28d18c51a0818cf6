"""Every experiment for some steps on a device: it looks inside, is stopped and goes on, and is replayed."""

import dataclasses
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import experiments
from experiments import reproduce
from rnnkit.core import BaseConfig, UserError, cli
from rnnkit.datasets import store
from rnnkit.runs import Result, Status, read_rows, replay


# An experiment, the data set that it must have ("" where it needs none), and small settings, of all cells between them.
CASES: dict[str, tuple[str, str, str]] = {
    "digits": ("digits", "", "--epochs 2 --hidden-size 16 --dropout 0.2 --batch-size 128"),
    "memory": ("memory", "", "--task temporal-order --length 20 --epochs 2 --round 8 --hidden-size 16 --cell lstm"),
    "char_lm, streams": (
        "char_lm",
        "",
        "--text {folder}/text.txt --reading streams --epochs 2 --hidden-size 32 --embedding-size 32 --tied --depth 1",
    ),
    "word_lm": ("word_lm", "", "--data made --epochs 2 --hidden-size 32 --embedding-size 16 --outer-dropout 0.2"),
    "music": ("music", "", "--data made --epochs 2 --hidden-size 16 --cell rnn"),
    "pixels": ("pixels", "", "--data made --epochs 2 --hidden-size 16 --pixels-per-step 8 --train-size 300"),
    "sentiment": ("sentiment", "", "--data made --epochs 2 --hidden-size 16 --pool attention --order bucketed"),
    "tagging, letters": (
        "tagging",
        "",
        "--data {folder}/tagged.conllu --epochs 2 --hidden-size 16 --bidirectional --init chrono",
    ),
    "own": ("own", "", "--data {folder}/table.csv --target label --epochs 2 --hidden-size 16 --folds 2"),
    "pixels, MNIST": ("pixels", "mnist", "--epochs 2 --hidden-size 32 --pixels-per-step 28 --order permuted"),
    "music, chorales": ("music", "jsb_chorales", "--epochs 2 --hidden-size 32"),
    "tagging, treebank": ("tagging", "ud_ewt", "--epochs 1 --evaluate-every 150 --hidden-size 32"),
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one case; `wrong` says what did not hold, "" where all did."""

    name: str
    steps: int = 0
    seconds: float = 0.0
    inside: int = 0  # how many numbers of the network's inside the record has
    flags: int = 0
    left_out: str = ""
    wrong: str = ""


def write_data(folder: Path) -> None:
    """A text, tagged sentences and a table, made by a rule, for the cases that read files."""
    text = "".join(
        f"The number {i} is {'even' if i % 2 == 0 else 'odd'}, and {i * i} its square.\n" for i in range(900)
    )
    (folder / "text.txt").write_text(text)
    words = {"DET": ("the", "a"), "ADJ": ("small", "red", "old"), "NOUN": ("house", "dog", "tree"), "VERB": ("runs",)}
    lines: list[str] = []
    for i in range(300):
        tags = ("DET", *("ADJ",) * (i % 3), "NOUN", "VERB", *("DET", "NOUN") * (i % 2))
        for j, tag in enumerate(tags, start=1):
            lines.append(f"{j}\t{words[tag][(i + j) % len(words[tag])]}\t_\t{tag}" + "\t_" * 6)
        lines.append("")
    (folder / "tagged.conllu").write_text("\n".join(lines) + "\n")
    rows = (
        f"{i},{t},{(i * 7 + t * 3) % 11},{'odd' if i % 2 else 'even'}\n" for i in range(60) for t in range(4 + i % 5)
    )
    (folder / "table.csv").write_text("id,time,value,label\n" + "".join(rows))


def config_of(name: str, device: str, folder: Path, runs: Path) -> BaseConfig:
    """The settings of a case."""
    experiment, _, words = CASES[name]
    module = experiments.load(experiment)
    flags = [*words.format(folder=folder).split(), "--device", device, "--observe", "full", "--observe-every", "3"]
    flags += ["--track", "off", "--runs-dir", str(runs)]
    return cli.parse(module.Config, f"python -m experiments.{experiment}", flags)


def check(name: str, device: str, folder: Path) -> Outcome:
    """Train a case, stop it and let it go on, and replay it: all three records must be one."""
    experiment, needed, _ = CASES[name]
    if needed and not (store.data_folder(None) / needed).exists():
        return Outcome(name, left_out=f"its data set {needed} is not in {store.data_folder(None)}")
    run = experiments.load(experiment).run
    config = config_of(name, device, folder, folder / "runs")
    began = time.monotonic()
    try:
        result = run(config)
    except UserError as error:
        return Outcome(name, wrong=f"it could not be trained: {error}")
    outcome = Outcome(name, result.step, time.monotonic() - began, inside(result.folder), len(result.flags or []))
    said = [] if result.status == Status.FINISHED else [f"it ended as {result.status}: {result.reason}"]
    said += [] if outcome.inside else ["nothing was seen inside"]
    said += differs("stopped and gone on", result, stopped(run, config, folder / "stopped"))
    options = reproduce.Options(run=str(result.folder), to=folder / "replayed")
    said += differs("replayed", result, reproduce.replay_run(result.folder, options))
    return dataclasses.replace(outcome, wrong="; ".join(said))


def stopped(run: Callable[..., Result], config: BaseConfig, runs: Path) -> Result | None:
    """The same run, which a Ctrl-C stops at its first evaluation and the same command takes up; None where not."""
    config = dataclasses.replace(config, runs_dir=runs)

    def report(evaluation: int, value: float) -> None:
        if evaluation == 1:
            os.kill(os.getpid(), signal.SIGINT)

    try:
        run(config, report)
    except KeyboardInterrupt:
        return run(config)
    return None


def inside(folder: Path) -> int:
    """How many numbers a run's record has of states, gates and memory."""
    groups = ("hidden/", "gate/", "memory/")
    return sum(name.startswith(groups) for row in read_rows(folder) for name in row)


def differs(what: str, result: Result, other: Result | None) -> list[str]:
    """In what a run differs from one that should be the same, in words."""
    if other is None:
        return [f"{what}: it could not be stopped"]
    found = replay.compare(result.folder, other.folder).difference
    return [] if found is None else [f"{what}: not the same at {found}"]
