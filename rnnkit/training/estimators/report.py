"""What is written beside a fit: every answer to a validation row, the scores of each class, what went wrong."""

import csv
import math
from collections import Counter
from pathlib import Path

import numpy as np

from rnnkit.core import wording
from rnnkit.runs import read_rows
from rnnkit.sequences import Preprocessing


Row = tuple[int, ...]  # the place of a sequence in X, and of tags the step, both from 0

MOST = 20  # classes that are listed one by one
PREDICTIONS, REPORT = "predictions.csv", "report.txt"


def write(
    folder: Path, found: Preprocessing, rows: list[Row], truth: np.ndarray, answers: np.ndarray, by_epoch: int
) -> None:
    """`predictions.csv` and `report.txt`, of the sequences that validated.

    Truths are numbers of classes, (rows,), or values, (rows, horizon); answers probabilities, or values.
    """
    _predictions(folder / PREDICTIONS, found, rows, truth, answers)
    lines = of_classes(found.classes, truth, answers.argmax(1)) if found.classes else []
    losses = [(int(row["step"]), float(row["loss/valid"])) for row in read_rows(folder) if "loss/valid" in row]
    lines += overfitting(losses, by_epoch)
    (folder / REPORT).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _predictions(path: Path, found: Preprocessing, rows: list[Row], truth: np.ndarray, answers: np.ndarray) -> None:
    ahead = [f" {step}" for step in range(1, found.horizon + 1)] if found.horizon > 1 else [""]
    names = ["truth", "prediction"] if found.classes else [f"{w}{n}" for w in ("truth", "prediction") for n in ahead]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["row", *(["step"] if found.by_step else []), *names, *(f"p({name})" for name in found.classes)]
        )
        for where, real, said in zip(rows, truth, answers, strict=True):
            if found.classes:
                words = [found.classes[int(real)], found.classes[int(said.argmax())]]
                writer.writerow([*where, *words, *(f"{share:.6g}" for share in said)])
            else:
                writer.writerow([*where, *(f"{value:.8g}" for value in (*real, *said))])


def of_classes(classes: tuple[str, ...], truth: np.ndarray, given: np.ndarray) -> list[str]:
    """Precision, recall and F1 of each class, the five largest confusions, and classes that are never answered."""
    width = max(5, *(len(name[:30]) for name in classes))
    lines = [f"{'class':<{width}}  precision  recall      F1  rows"]
    for number, name in enumerate(classes[:MOST]):
        wanted, said = truth == number, given == number
        both = int((wanted & said).sum())
        precision, recall = both / max(said.sum(), 1), both / max(wanted.sum(), 1)
        f1 = 2 * both / max(wanted.sum() + said.sum(), 1)
        lines.append(f"{name[:30]:<{width}}     {precision:.4f}  {recall:.4f}  {f1:.4f}  {wanted.sum():,}")
    if len(classes) > MOST:
        lines.append(f"... and {len(classes) - MOST} more")
    pairs = Counter((int(t), int(g)) for t, g in zip(truth, given, strict=True) if t != g)
    if pairs:
        most = (
            f"{classes[t]!r} as {classes[g]!r} {wording.count(count, 'time')}" for (t, g), count in pairs.most_common(5)
        )
        lines.append(f"largest confusions: {', '.join(most)}")
    never = [name for number, name in enumerate(classes) if number not in given]
    if len(never) == len(classes) - 1:
        lines.append(f"{classes[int(given[0])]!r} is always answered: the net has learned no difference")
    elif never:
        lines.append(f"never answered: {', '.join(map(repr, never[:10]))}{' ...' if len(never) > 10 else ''}")
    return lines


def overfitting(losses: list[tuple[int, float]], by_epoch: int) -> list[str]:
    """Since which epoch the validation loss has risen, where it ends a tenth above its lowest.

    `losses` are those of each evaluation with its step, `by_epoch` is how many steps an epoch has.
    """
    sound = [(step, value) for step, value in losses if math.isfinite(value)]
    if len(sound) < 3:
        return []
    step, lowest = min(sound, key=lambda pair: pair[1])
    if sound[-1][1] <= 1.1 * lowest:
        return []
    epochs = f"epoch {step / by_epoch:.1f} of {sound[-1][0] / by_epoch:.1f}"
    return [
        f"overfitting since {epochs}: there the validation loss was lowest, {lowest:.4g}; it ends at {sound[-1][1]:.4g}"
    ]
