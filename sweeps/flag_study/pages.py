"""Paragraphs, tables and values of the page."""

import textwrap
from collections.abc import Sequence

import numpy as np

from sweeps.flag_study.foretelling import Interval


def wrapped(paragraph: str) -> str:
    """A paragraph in lines of at most 120 signs."""
    return textwrap.fill(paragraph, 120, break_on_hyphens=False, break_long_words=False)


def words(interval: Interval) -> str:
    """A value with its interval, as a table shows it."""
    value, low, high = interval
    return "not defined" if np.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return "| " + " | ".join(cells) + " |\n"


def ruled(heads: Sequence[str]) -> str:
    """The first two lines of a table."""
    return row(heads) + "|" + "---|" * len(heads) + "\n"
