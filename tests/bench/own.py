"""Whether `own` with its defaults keeps up with cheap models: a sweep of each of ten data sets unlike each other.

    python -m tests.bench.own                       # half an hour
    python -m tests.bench.own --only "digits,few"

Five sets are generated or come with scikit-learn, the others are cut from public data (`RNNKIT_DATA` says where that
is). Printed are the minutes of a default sweep, the mean of the best configuration on fresh seeds, the cheap model that
did best on the validation part, and the cheap model that did best on the test part: all on the same test rows, in
macro F1 where classes are unequal, else in accuracy.
"""

import csv
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn import datasets

from rnnkit.core import cli
from rnnkit.datasets import imdb, ptb, texts, ud_ewt
from tests.helpers import ROOT, no_account


@dataclass(frozen=True)
class Options:
    """What is measured."""

    only: str = ""
    """Comma-separated sets; all by default."""
    workers: int = 2
    """Processes that train side by side."""


def written(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """A CSV file with these rows."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)
    return path


def digits(folder: Path) -> Path:
    """1,797 handwritten digits of eight rows of eight pixels, 10 classes."""
    known = datasets.load_digits()
    np.savez(folder / "digits.npz", X=known.images, y=known.target)
    return folder / "digits.npz"


def table(folder: Path) -> Path:
    """569 rows of 30 measures, 2 classes: no sequences at all."""
    known = datasets.load_breast_cancer()
    rows = [[*values, known.target_names[kind]] for values, kind in zip(known.data, known.target, strict=True)]
    return written(folder / "table.csv", [*(f"v{i}" for i in range(30)), "kind"], rows)


def charts(folder: Path) -> Path:
    """180 series of 60 steps: level, cycle, rise, fall, jump up or down, as control charts have them; 6 classes."""
    chance, t = np.random.default_rng(0), np.arange(60)

    def shape(kind: int) -> np.ndarray:
        size, place, period = chance.uniform(7, 10), chance.integers(20, 40), chance.uniform(10, 15)
        jump = size * (t >= place)
        return [0 * t, size * np.sin(2 * np.pi * t / period), size * t / 25, -size * t / 25, jump, -jump][kind]

    rows = [[*np.round(30 + chance.normal(0, 2, 60) + shape(i % 6), 3), f"kind {i % 6}"] for i in range(180)]
    return written(folder / "charts.csv", [*(f"v{i}" for i in range(60)), "kind"], rows)


def unequal(folder: Path) -> Path:
    """700 series of 20 to 49 steps, of which one in 16 has a wave and a pulse elsewhere: 94 and 6 %."""
    chance, rows = np.random.default_rng(0), []
    for number in range(700):
        steps = int(chance.integers(20, 50))
        values, rare = chance.normal(0, 0.5, (steps, 2)), number % 16 == 0
        start = int(chance.integers(steps - 10))
        wave = np.sin(np.arange(10) * (1.6 if rare else 0.8))
        values[start : start + 10, 0] += wave
        rows += [[number, *np.round(step, 3), "rare" if rare else "usual"] for step in values]
    return written(folder / "unequal.csv", ["id", "x", "y", "kind"], rows)


def few(folder: Path) -> Path:
    """40 gestures of 30 to 60 steps: a circle one way or the other."""
    chance, rows = np.random.default_rng(0), []
    for number in range(40):
        angle = np.linspace(0, 2 * np.pi, int(chance.integers(30, 61))) + chance.uniform(0, 6)
        way = 1 - 2 * (number % 2)
        points = np.stack([np.cos(way * angle), np.sin(way * angle)], 1) + chance.normal(0, 0.3, (len(angle), 2))
        rows += [[number, *np.round(point, 3), "left" if way > 0 else "right"] for point in points]
    return written(folder / "few.csv", ["id", "x", "y", "way"], rows)


def pulses(folder: Path) -> Path:
    """400 series of 24 steps: which of two pulses comes first."""
    chance, rows = np.random.default_rng(0), []
    for number in range(400):
        steps, kind, first = chance.normal(0, 0.3, (24, 2)), number % 2, chance.integers(21)
        steps[first, kind] = steps[first + 2, 1 - kind] = 2
        rows += [[number, *np.round(step, 2), "xy"[kind]] for step in steps]
    return written(folder / "pulses.csv", ["id", "x", "y", "first"], rows)


def reviews(folder: Path) -> Path:
    """1,500 film reviews of less than 900 characters, for or against."""
    part = imdb.load().train
    known = [(text, kind) for text, kind in zip(part.texts, part.targets, strict=True) if len(text) < 900][:1_500]
    return written(folder / "reviews.csv", ["text", "kind"], [(text, imdb.LABELS[kind]) for text, kind in known])


def lines(folder: Path) -> Path:
    """1,998 pieces of six words, without capitals, marks and numbers: of a novel, plays, news, or film reviews."""
    chance = random.Random(0)
    sources = {
        "novel": texts.island().text,
        "plays": texts.shakespeare().text,
        "news": " ".join(ptb.load().train).replace("<unk>", "").replace("<eos>", "").replace(" N ", " "),
        "reviews": " ".join(imdb.load().train.texts[:4_000]).replace("<br />", " "),
    }
    rows = []
    for name, text in sources.items():
        found = re.findall(r"[a-z]+", text.lower().replace("'", ""))
        starts = chance.sample(range(0, len(found) - 6, 6), 500)
        rows += [(" ".join(found[start : start + 6]), name) for start in starts]
    chance.shuffle(rows)
    return written(folder / "lines.csv", ["text", "source"], rows[:1_998])


def words(folder: Path) -> Path:
    """2,000 words, by their letters: which of five kinds."""
    part, kinds = ud_ewt.load().train, ("NOUN", "VERB", "ADJ", "PROPN", "ADV")
    found: dict[str, str] = {}
    for sequence, tags in zip(part.sequences, part.tags, strict=True):
        found |= {word: tag for word, tag in zip(sequence, tags, strict=True) if tag in kinds and len(word) > 2}
    rows = random.Random(0).sample(sorted(found.items()), 2_000)
    return written(folder / "words.csv", ["text", "kind"], rows)


def tags(folder: Path) -> Path:
    """1,200 sentences of English, a kind of word each."""
    part, path = ud_ewt.load().train, folder / "tags.conll"
    known = list(zip(part.sequences, part.tags, strict=True))[:1_200]
    sentences = ["".join(f"{word}\t{tag}\n" for word, tag in zip(*one, strict=True)) for one in known]
    path.write_text("\n".join(sentences))
    return path


SETS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "digits": (digits, ""),
    "table": (table, "kind"),
    "charts": (charts, "kind"),
    "unequal": (unequal, "kind"),
    "few": (few, "way"),
    "pulses": (pulses, "first"),
    "reviews": (reviews, "kind"),
    "lines": (lines, "source"),
    "words": (words, "kind"),
    "tags": (tags, ""),
}


def swept(name: str, folder: Path, workers: int) -> tuple[float, dict]:
    """The minutes of a default sweep of a set, and its best configuration as the summary has it."""
    make, target = SETS[name]
    given = ["--data", str(make(folder)), *(["--target", target] if target else [])]
    words = [sys.executable, "-m", "sweeps.run", "own", "--study", "own", "--workers", str(workers), "--track", "off"]
    began = time.monotonic()
    with (folder / "said.log").open("w") as said:
        command = [*words, "--runs-dir", str(folder), "--", *given]
        subprocess.run(command, cwd=ROOT, env=no_account(), stdout=said, stderr=said, check=True)
    return (time.monotonic() - began) / 60, json.loads((folder / "studies/own/summary.json").read_text())["best"]


def main() -> None:
    """Sweep each set, one after the other."""
    options = cli.parse(Options, "python -m tests.bench.own", sys.argv[1:], __doc__)
    for name in options.only.split(",") if options.only else SETS:
        with TemporaryDirectory() as folder:
            minutes, best = swept(name, Path(folder), options.workers)
            against, runs = best["against"], len(best["runs"])
            other = max(best["references"], key=lambda one: one["value"])
            print(
                f"{name}: {minutes:.1f} minutes, {other['metric']} {against['ours']:.4f} as the mean of {runs} seeds; "
                f"{against['baseline']} {against['theirs']:.4f} ({against['difference']:+.4f} on {against['examples']} "
                f"rows); best on the test rows {other['what']} {other['value']:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    cli.main(main)
