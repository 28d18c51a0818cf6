"""The scores of each class, confusions, what is most wrong, in words and pictures."""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.core import decoration, wording
from rnnkit.runs import read_rows
from rnnkit.sequences import Preprocessing


if TYPE_CHECKING:
    from experiments.own.examples import Prepared


BINS = 10
MOST = 20  # classes that are listed or drawn one by one


def further_scores(truth: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Log loss, area under the ROC curve (one class against the rest, their mean) and calibration error of a test part.

    The calibration error is the mean distance of confidence from accuracy in ten bins (Guo et al., On Calibration of
    Modern Neural Networks, 2017). Rows of classes that training lacks are left out of the first two.
    """
    from sklearn.metrics import roc_auc_score

    known = truth >= 0
    found: dict[str, float] = {}
    if known.any():
        chosen = shares[np.flatnonzero(known), truth[known]]
        found["metric/log_loss/test"] = float(-np.log(np.maximum(chosen, 1e-15)).mean())
    areas = [
        roc_auc_score(truth[known] == number, shares[known, number])
        for number in range(shares.shape[1])
        if 0 < (truth[known] == number).sum() < known.sum()
    ]
    if areas:
        found["metric/roc_auc/test"] = float(np.mean(areas))
    bins = calibration(truth, shares)
    total = sum(count for _, _, count in bins)
    found["metric/calibration_error/test"] = sum(abs(c - a) * n for c, a, n in bins) / total
    return found


def calibration(truth: np.ndarray, shares: np.ndarray) -> list[tuple[float, float, int]]:
    """In bins of confidence: its mean, the accuracy, and how many rows."""
    confidence, right = shares.max(1), shares.argmax(1) == truth
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = [places == number for number in range(BINS)]
    return [(float(confidence[b].mean()), float(right[b].mean()), int(b.sum())) for b in bins if b.any()]


def in_words(data: "Prepared", truth: np.ndarray, answers: np.ndarray, folder: Path) -> list[str]:
    """Scores of each class, the largest confusions, what is never answered, the rows most wrong, overfitting."""
    found = data.preprocessing
    lines = _of_classes(found, truth, answers.argmax(1)) if found.classes else []
    return [*lines, *_most_wrong(data, truth, answers), *_overfitting(folder)]


def _of_classes(found: Preprocessing, truth: np.ndarray, given: np.ndarray) -> list[str]:
    width = max(5, *(len(name[:30]) for name in found.classes))
    lines = [f"{'class':<{width}}  precision  recall     F1  rows"]
    never: list[str] = []
    for number, name in enumerate(found.classes):
        wanted, said = truth == number, given == number
        both = int((wanted & said).sum())
        precision, recall = both / max(said.sum(), 1), both / max(wanted.sum(), 1)
        f1 = 2 * both / max(wanted.sum() + said.sum(), 1)
        if number < MOST:
            lines.append(f"{name[:30]:<{width}}     {precision:.4f}  {recall:.4f}  {f1:.4f}  {wanted.sum():,}")
        if not said.any():
            never.append(name)
    if len(found.classes) > MOST:
        lines.append(f"... and {len(found.classes) - MOST} more: see predictions.csv")
    pairs = Counter((int(t), int(g)) for t, g in zip(truth, given, strict=True) if t != g and t >= 0)
    if pairs:
        most = (
            f"{found.classes[t]!r} as {found.classes[g]!r} {wording.count(n, 'time')}"
            for (t, g), n in pairs.most_common(5)
        )
        lines.append(f"largest confusions: {', '.join(most)}")
    if len(set(given.tolist())) == 1:
        lines.append(
            f"The net answers {found.classes[int(given[0])]!r} always: it has learned nothing but the most frequent."
        )
    elif never:
        lines.append(f"never answered: {', '.join(map(repr, never[:10]))}{' ...' if len(never) > 10 else ''}")
    return lines


def _most_wrong(data: "Prepared", truth: np.ndarray, answers: np.ndarray) -> list[str]:
    """The five test rows with the lowest probability for the truth, or the largest error."""
    found, own, places = data.preprocessing, data.own, data.places
    if found.answers == "tags":
        return []
    if found.classes:
        known = np.flatnonzero(truth >= 0)
        order = known[np.argsort(answers[known, truth[known]], kind="stable")].tolist()
        wrong = [i for i in order if answers[i].argmax() != truth[i]][:5]
        named = [(own.targets[int(places.test[i])], found.classes[int(answers[i].argmax())]) for i in wrong]
        said = [f"{t!r} as {a!r} ({answers[i].max():.2f})" for i, (t, a) in zip(wrong, named, strict=True)]
    else:
        errors = np.abs(answers - truth).mean(1)
        wrong = np.argsort(-errors, kind="stable")[:5].tolist()
        said = [f"{wording.plain(float(truth[i, 0]))} as {wording.plain(float(answers[i, 0]))}" for i in wrong]
        if found.horizon > 1:  # which is the first of the values that they are wrong in
            said = [f"off by {errors[i]:.4g} on average (first {one})" for i, one in zip(wrong, said, strict=True)]
    rows = [f"row {own.lines[int(places.test[i])]}: {words}" for i, words in zip(wrong, said, strict=True)]
    return [f"most wrong: {'; '.join(rows)}"] if rows else []


def _overfitting(folder: Path) -> list[str]:
    """Since when the validation loss has risen, where it ends a tenth above its lowest."""
    losses = [(int(row["step"]), row["loss/valid"]) for row in read_rows(folder) if "loss/valid" in row]
    losses = [(step, float(value)) for step, value in losses if math.isfinite(value)]
    if len(losses) < 3:
        return []
    step, lowest = min(losses, key=lambda pair: pair[1])
    if losses[-1][1] <= 1.1 * lowest:
        return []
    return [f"overfitting: the validation loss was lowest after step {step} of {losses[-1][0]}, and has risen since"]


def draw(media: Path, data: "Prepared", truth: np.ndarray, answers: np.ndarray) -> None:
    """Pictures: the confusion matrix and the calibration of labels, answers over truths of numbers."""
    with decoration("pictures of the answers"):
        from matplotlib.figure import Figure

        media.mkdir(exist_ok=True)
        found = data.preprocessing
        if not found.classes:
            figure = Figure(figsize=(5, 5), layout="constrained")
            axes = figure.add_subplot()
            axes.scatter(truth.ravel(), answers.ravel(), s=8, alpha=0.5)
            axes.axline((float(truth.min()), float(truth.min())), slope=1, color="grey", linewidth=1)
            axes.set(xlabel="truth", ylabel="answer", title="test part")
            figure.savefig(media / "answers.png", dpi=110)
            return
        if len(found.classes) <= MOST:
            figure = Figure(
                figsize=(2 + 0.45 * len(found.classes), 1.8 + 0.45 * len(found.classes)), layout="constrained"
            )
            _confusion(figure.add_subplot(), found, truth, answers.argmax(1))
            figure.savefig(media / "confusion.png", dpi=110)
        figure = Figure(figsize=(4.5, 4), layout="constrained")
        axes = figure.add_subplot()
        bins = calibration(truth, answers)
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
        axes.plot([c for c, _, _ in bins], [a for _, a, _ in bins], marker="o")
        axes.set(xlabel="confidence", ylabel="accuracy", title="calibration, test part", xlim=(0, 1), ylim=(0, 1))
        figure.savefig(media / "calibration.png", dpi=110)


def _confusion(axes: Any, found: Preprocessing, truth: np.ndarray, given: np.ndarray) -> None:
    size = len(found.classes)
    counts = np.zeros((size, size), int)
    known = truth >= 0
    np.add.at(counts, (truth[known], given[known]), 1)
    names = [name[:20].replace("$", r"\$") for name in found.classes]
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(size), names, rotation=90)
    axes.set_yticks(range(size), names)
    axes.set(xlabel="answer", ylabel="truth")
    for row, column in np.argwhere(counts):
        dark = counts[row, column] > counts.max() / 2
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color="white" if dark else "black")
