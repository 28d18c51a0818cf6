"""Which column of a table is what: told by flags, else by names and by the first rows; what is guessed is said."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rnnkit.core import UserError, wording
from rnnkit.datasets.own import fields
from rnnkit.datasets.own.data import ASKED, How, flag, place
from rnnkit.datasets.own.tables import columns, reading
from rnnkit.datasets.own.tables.reading import Rows, Table


Form = Literal["long", "wide", "texts", "nested"]

PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
PARTS |= dict.fromkeys(("valid", "validation", "val", "dev"), "valid")

# What columns are called most often.
TARGETS = ("target", "label", "class", "y", "tag", "category")
IDS = (
    "id",
    "series",
    "series_id",
    "sequence",
    "sequence_id",
    "case",
    "case_id",
    "sentence",
    "sentence_id",
    "unique_id",
)
TIMES = ("time", "timestamp", "date", "datetime", "t", "step", "ds", "year")
# What may be an id or a time, where its values are like those of one.
_OFTEN_IDS = ("patient", "subject", "person", "participant", "user", "customer", "client", "animal", "device", "sensor")
_OFTEN_IDS += ("machine", "engine", "unit", "vehicle", "station", "session", "recording", "episode", "trip", "trial")
_OFTEN_TIMES = ("day", "days", "hour", "hours", "minute", "minutes", "second", "seconds", "sec", "ms", "week", "month")
_OFTEN_TIMES += ("visit", "frame", "tick", "cycle", "index", "position", "order")
_OFTEN_GROUPS = ("speaker", "singer", "writer", "author", "reader", "student", "player", "patient", "house", "site")
MOST_CHANNELS = 20  # a row of more numbers is a sequence of its own more often than a step
_SPLITS = ("split", "part", "subset", "fold")
_TEXTS = ("text", "sentence", "review", "comment", "message")


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are: `values` are the channels of a long table, the steps of a wide one, the text."""

    form: Form
    target: str
    values: tuple[str, ...]
    id: str = ""
    time: str = ""
    split: str = ""
    group: str = ""
    has_words: bool = False  # the values are tokens, not numbers
    notes: tuple[str, ...] = ()
    guessed: tuple[tuple[str, str], ...] = ()  # the flags, each with a column, that would say what values alone said


def roles_of(table: Table, how: How) -> Roles:
    """What the columns of a table are. Raises `UserError` for a column that is not there, and where none fits."""
    head = reading.head(table)
    if head is None:
        raise UserError(f"{table.path} has a header and no rows")
    notes = list(table.notes)
    require_columns(table.path, table.names, how)
    free = [name for name in table.names if name not in how.ignore]
    if table.has_header and re.fullmatch(r"column \d+", free[0]) and free[0] not in (how.target, how.id):
        notes.append("the first column has no name, is taken for the number of the row, and is left out")
        free.pop(0)
    split = how.split or _named(
        free, _SPLITS, lambda name: {str(v).strip().lower() for v in head.columns[name]} <= set(PARTS)
    )
    if split and not how.split:
        notes.append(f"the parts are those of the column {split!r} (for parts by seed: {flag('ignore', split)})")
    target = how.target or _target(table, free, notes)
    free = [name for name in free if name not in (target, split, how.group)]
    told: dict[str, Any] = {"split": split, "group": how.group} | _steps(head, free, target, how, notes)
    rest = [name for name in free if name not in (told["id"], told["time"], how.text)]
    words = [name for name in rest if not columns.are_numbers(head.columns[name])]
    numbers = [name for name in rest if name not in words]
    _refuse_commas(table, head, words)
    nested = [name for name in words if isinstance(columns.first(head.columns[name]), list)]
    if nested and not how.text:
        has_words = columns.holds_words(head.columns[nested[0]])
        return _chosen("nested", target, nested[:1], rest, notes, told, has_words)
    are_words = bool(how.text or (words and not numbers))
    are_steps = how.text and (how.time or how.task == "tags")  # texts may well have dates
    if told["id"] or are_steps or (told["time"] and not are_words):
        if told["time"] and not how.time:
            notes.append(f"{told['time']!r} is the time of a step (another column: --time)")
        return _chosen("long", target, [how.text or words[0]] if are_words else numbers, rest, notes, told, are_words)
    if how.text or words:
        text = how.text or _text(table, head, words, numbers)
        if not how.text and len(free) > 1:
            notes.append(
                f"the text is the column {text!r} (another: --text; where a row is a step of a sequence: --id)"
            )
        return _chosen("texts", target, [text], free, notes, told | {"time": ""})  # a text's time is not used
    if how.task == "forecast":
        return _chosen("long", target, numbers, rest, notes, told)
    return _wide(head, target, numbers, notes, told)


def _steps(head: Rows, free: Sequence[str], target: str, how: How, notes: list[str]) -> dict[str, Any]:
    """The id and the time of rows that are steps, "" where they are none, and which of them values alone said."""
    open_ones = [name for name in free if name not in (how.id, how.time, how.text)]
    told = {"id": how.id, "time": how.time}
    if not how.id and (usual := _named(open_ones, IDS, lambda name: columns.repeats(head.columns[name]))):
        told["id"] = usual
        notes.append(f"rows with the same {usual!r} are one sequence (another column: --id)")
    told["time"] = how.time or _named(open_ones, TIMES, lambda name: columns.are_times(head.columns[name]))
    open_ones = [name for name in open_ones if name not in told.values()]
    guessed: dict[str, str] = {}
    if not told["id"] and (like := _like_an_id(head, open_ones, target, told["time"], how)):
        told["id"] = guessed["id"] = like
        open_ones.remove(like)
        notes.append(
            f"rows with the same {like!r} are one sequence, each row a step (another column: --id; where each row is a "
            f"sequence: {flag('ignore', like)})"
        )
    if told["time"] and not told["id"] and not how.text and columns.comes_often(head.columns[told["time"]]):
        notes.append(f"a time in {told['time']!r} comes in several rows: where these are of several series, say --id")
    if told["id"] and not told["time"] and (like := _like_a_time(head, open_ones, told["id"])):
        told["time"] = guessed["time"] = like
    return {**told, "guessed": tuple(guessed.items())}


def _text(table: Table, head: Rows, words: Sequence[str], numbers: Sequence[str]) -> str:
    """The column of the texts. Raises `UserError` where rows seem to be steps, and nothing says of what."""
    text = _named(words, _TEXTS, bool) or max(words, key=lambda name: columns.size(head.columns[name]))
    if numbers and (columns.look_dated(head.columns[text]) or columns.comes_again(head.columns[text])):
        raise UserError(
            f"{table.path}: which rows are one sequence? Say it with --id, and with --time in which order they are "
            f"read (where each row is one: {flag('ignore', *words)}; where it is a text: --text)"
        )
    return text


def _wide(head: Rows, target: str, numbers: Sequence[str], notes: list[str], told: dict[str, Any]) -> Roles:
    """Rows that are sequences: their numbers, less those that may be an id."""
    plain_id = _named(numbers, IDS, bool)
    several = [name for name in numbers if _may_be_id(name) and name != plain_id]
    steps = [name for name in numbers if name not in (plain_id, *several)]
    if several and not told["group"] and columns.stand_together(head.columns[several[0]]):
        notes.append(f"rows with the same {several[0]!r} can come into two parts (to keep them in one: --group)")
    notes.append(
        f"each row is a sequence of up to {wording.count(len(steps), 'step')} (where a row is a step: --id, or for "
        "one series --time or --task forecast)"
    )
    return _chosen("wide", target, steps, numbers, notes, {**told, "id": plain_id})


def _chosen(
    form: Form,
    target: str,
    values: Sequence[str],
    rest: Iterable[str],
    notes: list[str],
    told: dict[str, Any],
    has_words: bool = False,
) -> Roles:
    left = [name for name in rest if name not in (*values, *told.values())]
    if left:
        shown = ", ".join(map(repr, left[:5])) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        whose = next((name for name in left if _may_be_id(name) or name.lower() in _OFTEN_GROUPS), "")
        hint = f" (to keep each {whose!r} in one part: {flag('group', whose)})" if whose and not told["group"] else ""
        notes = [*notes, f"not used: {'column' if len(left) == 1 else 'columns'} {shown}{hint}"]
    return Roles(form, target, tuple(values), has_words=has_words, notes=tuple(notes), **told)


def require_columns(path: Path, names: Sequence[str], how: How) -> None:
    """Raise `UserError` where a flag names a column that is not there, or one column is said to be two things."""
    said: dict[str, str] = {}
    named = [(role, getattr(how, role)) for role in ("target", "id", "time", "text", "split", "group")]
    for role, name in [*named, *(("ignore", name) for name in how.ignore)]:
        if not name:
            continue
        if name not in names:
            there = [str(one) for one in names if one != ASKED]
            few = ", ".join(there[:20]) + (" ..." if len(there) > 20 else "")
            close = wording.meant(name, names)
            if set(name.split(",")) <= set(names):
                raise UserError(f"{path}: --{role} names one column: join {name} into one in the file first")
            raise UserError(f"{path} has no column {name!r} (--{role}){close or ':'} its columns are {few}")
        if name in said and {role, said[name]} != {"id", "group"}:
            raise UserError(f"the column {name!r} cannot be both --{said[name]} and --{role}")
        said[name] = role


def _target(table: Table, free: list[str], notes: list[str]) -> str:
    if not table.has_header:
        notes.append(
            "the file has no header, and its first column is taken for the target (another: --target, by number)"
        )
        return free[0]
    if not (found := _named(free, TARGETS, bool)):
        few = ", ".join(free[:20]) + (" ..." if len(free) > 20 else "")
        raise UserError(f"{table.path}: which column is to be predicted? Say it with --target; the columns are {few}")
    notes.append(f"the target is the column {found!r} (another: --target)")
    return found


def _named(names: Sequence[str], usual: Sequence[str], fits: Any) -> str:
    """The first column that has one of the usual names, whatever its case, and fits; "" for none."""
    return next((name for word in usual for name in names if name.lower() == word and fits(name)), "")


def _like_an_id(head: Rows, free: Sequence[str], target: str, time: str, how: How) -> str:
    """A column of those that were measured: its rows stand together, have one target, and numbers beside them.

    Its name says it, or it holds words. Of forecasts the target changes; where a time comes in several rows, what it
    comes in once of each. "" where there is none, or it is not clear.
    """
    if how.text or how.task == "tags":
        return ""
    values = head.columns
    numbers = [name for name in free if columns.are_numbers(values[name])]
    named = [name for name in free if _may_be_id(name)]
    words = [name for name in free if name not in (*numbers, *named)]
    if any(columns.are_texts(values[name]) for name in words):
        return ""  # a row is a text
    one = [name for name in named if columns.comes_again(values[name])]
    one += [name for name in words if columns.stand_together(values[name])]
    told = {name: list(map(str, values[name])) for name in (*named, *words, target)}  # JSON has lists there, too
    alike = lambda name: len({*zip(told[name], told[target], strict=True)}) == len({*told[name]})
    found = next((name for name in one if how.task == "forecast" or alike(name)), "")
    if not found and time and not columns.rises(values[time], [""] * len(values[time])):
        often = (name for name in (*named, *words) if columns.comes_again(values[name]))
        found = next((name for name in often if columns.rises(values[time], values[name])), "")
    channels = [name for name in numbers if name not in named]
    return found if 0 < len(channels) <= MOST_CHANNELS else ""


def _like_a_time(head: Rows, free: Sequence[str], id_column: str) -> str:
    """A column of those that were measured that rises with each id's rows, and whose name or values are of times."""
    words = {name: {name.lower(), *re.split("[^a-z]+", name.lower())} for name in free}  # t_sec, Time (s)
    often = (name for name in free if words[name] & {*TIMES, *_OFTEN_TIMES} or columns.are_dates(head.columns[name]))
    return next((name for name in often if columns.rises(head.columns[name], head.columns[id_column])), "")


def _may_be_id(name: str) -> bool:
    """Whether a name is such as `patient_id`, `patientId` or `patient`."""
    return name.lower() in _OFTEN_IDS or re.search(r"([_ .-]|^)(id|ID|Id)$|[a-z]I[dD]$", name) is not None


def _refuse_commas(table: Table, head: Rows, names: Sequence[str]) -> None:
    """Raise `UserError` for a column of numbers with a decimal comma, which would be read as words."""
    for name in names:
        there = [str(value) for value in head.columns[name] if not fields.is_missing(value)]
        commas = [re.fullmatch(r"\s*[-+]?\d+,\d+\s*", value) is not None for value in there]
        if 2 * sum(commas) > len(commas):
            where = place(table.path, head.lines[commas.index(True)], name)
            raise UserError(f"{where}: {there[commas.index(True)]!r} has a decimal comma: write a point")
