"""Settings, metrics, numbers and times as a person reads them."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime


_SPOKEN = {"valid": "validation", "train": "training", "all": "all inputs"}
_SPOKEN |= {"one": "the last one", "quarter": "the last quarter"}

# What a terminal obeys in place of showing it, what turns the direction of writing, and halves of signs.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def settings(values: Mapping[str, object]) -> str:
    """A trial's settings in a line: `hidden size 32, depth 2, cell gru`."""
    return ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in values.items())


def plain(value: object) -> str:
    """A setting as a person writes it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value).lower()


def part(name: str) -> str:
    """A part of a metric's name, or several: `valid` -> `validation`, `macro_f1` -> `macro f1`."""
    return " ".join(_SPOKEN.get(word, word.replace("_", " ")) for word in name.split(" "))


def metric(name: str) -> str:
    """A score as sentences have it: `metric/accuracy/valid` -> `validation accuracy`; other metrics as they are."""
    score, split = _parts(name)
    return f"{split} {score}" if split else score


def in_brackets(name: str) -> str:
    """A score as lists have it: `metric/accuracy/valid` -> `accuracy (validation)`; other metrics as they are."""
    score, split = _parts(name)
    return f"{score} ({split})" if split else score


def without_split(name: str) -> str:
    """What a score measures: `metric/macro_f1/valid` -> `macro f1`; other metrics as they are."""
    return _parts(name)[0]


def _parts(metric_name: str) -> tuple[str, str]:
    """What a score measures, and on which part of the data; the second is empty for other metrics."""
    group, _, rest = metric_name.partition("/")
    score, _, split = rest.partition("/")
    return (part(score), part(split)) if group == "metric" and split else (metric_name, "")


def number(value: float | None) -> str:
    """A number as it is read in a table; nothing where there is none."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"


def signed(value: float) -> str:
    """A difference: `+0.0123`, `-2.5e-05`; what rounding alone leaves of 0 is 0."""
    value = 0.0 if abs(value) < 1e-12 else value
    return f"{'' if math.isnan(value) or value < 0 else '+'}{number(value)}"


def interval(low: float | None, high: float | None) -> str:
    """The interval of a mean: `0.6600 to 0.7000`; nothing where it has none."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def seconds(value: float | None) -> str:
    """A time that something took: `3.5 s`, `4.2 min`, `1.3 h`."""
    if value is None:
        return ""
    return f"{value:.1f} s" if value < 90 else f"{value / 60:.1f} min" if value < 5400 else f"{value / 3600:.1f} h"


def age(since: datetime | None, now: datetime | None = None) -> str:
    """How long ago a time was: `12 s`, `5 min`, `3 h`, `2 d`."""
    if since is None:
        return ""
    passed = ((now or datetime.now(UTC)) - since).total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if passed >= 2 * length:
            return f"{passed / length:.0f} {unit}"
    return f"{max(passed, 0):.0f} s"


def capital(text: str) -> str:
    """With a capital at its start, and the rest as it is."""
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def count(number: int, thing: str) -> str:
    """How many there are of something: `1 trial`, `1,200 trials`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def printable(text: str, keep: str = "") -> str:
    """A text as a terminal shows it, and does nothing else with it: control characters but `keep` become `?`."""
    return _OBEYED.sub(lambda found: found[0] if found[0] in keep else "?", text)


def cut(text: str, most: int) -> str:
    """A text of at most so many characters: what is cut out of a longer one is its middle, as most is said at its ends.

    >>> cut("the run aaaaaaaaaaaaaaaa is not there", 30)
    'the run aaaaa ... is not there'
    """
    half = (most - 5) // 2
    return text if len(text) <= most else f"{text[: most - 5 - half]} ... {text[-half:]}"


def meant(word: str, known: Sequence[str]) -> str:
    """`: did you mean lstm?` for a word that is none of those known, but the beginning of one or close to one."""
    close = [one for one in known if one.startswith(f"{word}-")] or difflib.get_close_matches(word, known, 1)
    return f": did you mean {close[0]}?" if close else ""
