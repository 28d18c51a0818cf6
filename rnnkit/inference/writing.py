"""Answers as rows of a CSV file: in the order of what was asked, with a column for the probability of each class."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rnnkit.inference.answering import Answer
from rnnkit.sequences import Preprocessing


MOST_CLASSES = 200  # beyond, the probability of the answer alone is written


def table(known: Preprocessing, answers: Sequence[Answer], lines: Sequence[int], ids: Sequence[str]) -> str:
    """A header, and a row for each sequence, or where there is an answer at each step, for each of its steps.

    Columns: row (the line where the sequence begins), id, step (from 1), prediction, and probabilities that are written
    so that they are read as the same numbers.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ahead = known.answers == "forecast" and known.horizon > 1
    names = [f"prediction {step}" for step in range(1, known.horizon + 1)] if ahead else ["prediction"]
    writer.writerow(["row", "id", *(["step"] if known.by_step else []), *names, *_probabilities(known)])
    for line, name, answer in zip(lines, ids, answers, strict=True):
        for cells in _cells(known, answer):
            writer.writerow([line, name, *cells])
    return text.getvalue()


def _probabilities(known: Preprocessing) -> list[str]:
    if not known.classes:
        return []
    return [f"p({name})" for name in known.classes] if len(known.classes) <= MOST_CLASSES else ["p"]


def _cells(known: Preprocessing, answer: Answer) -> Iterator[list[Any]]:
    if answer.probabilities is None:
        yield [f"{value:.9g}" for value in np.atleast_1d(answer.prediction)]
        return
    shares = np.atleast_2d(answer.probabilities)
    said = answer.prediction if known.by_step else [answer.prediction]
    for step, (one, row) in enumerate(zip(said, shares, strict=True), start=1):
        shown = " ".join(one) if isinstance(one, tuple) else one
        written = [repr(float(p)) for p in (row if len(row) <= MOST_CLASSES else [row.max()])]
        yield [*([step] if known.by_step else []), shown, *written]
