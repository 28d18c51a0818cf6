"""Records of which each field holds something else: whether any reader ends otherwise than in words.

    python -m tests.torture.faults.records                    # each field by each of 21 values, or missing: 3 hours
    python -m tests.torture.faults.records --every 50         # some of them
    python -m tests.torture.faults.records --only metrics     # those of files whose name holds a word

Changed are manifest.json, result.json, summary.json and study.json of real records, the last row of metrics.jsonl, and
what W&B's mirror and the folder media hold. On each are tried the pages and their charts, the list and `show` in the
terminal, the report, resume, reproduce, sync, and the drawing of pictures.
"""

import contextlib
import copy
import io
import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from starlette.requests import Request

from experiments import digits, reproduce, resume
from rnnkit.core import cli
from rnnkit.core.errors import UserError
from rnnkit.mirror import follow
from rnnkit.runs import plots
from sweeps import compare, report, runs, show, sync, table
from sweeps.reading import RunIndex, answers, studies
from sweeps.wandb_sync import study_run
from sweeps.web import app


FIXTURES = Path(__file__).parents[2] / "fixtures" / "records"
STUDY, RUN, OTHER = "old", "digits-s0-3cfb494c", "digits-s0-df750788"
FILES = [f"{RUN}/manifest.json", f"{RUN}/result.json", f"{OTHER}/result.json"]
FILES += [f"studies/{STUDY}/{name}.json" for name in ("study", "summary")]

# What else a run's folder can hold, as it would be written. Of these, and of rows and curves, the first places count.
BESIDE = {
    f"{RUN}/wandb/mirror.json": {
        "state": "complete",
        "mode": "offline",
        "folder": "wandb/x",
        "rows": 2,
        "missing": ["x"],
    },
    f"{RUN}/media/dynamics.json": {"encoder.l0.f": {"lyapunov": [-0.5, -1.0], "effective_rank": 2.5, "hidden_size": 4}},
    f"{RUN}/media/samples.jsonl": {"prompt": "a", "temperature": 1.0, "seed": 0, "text": "abc"},
}
FIRST = 12
SAID = 100  # changed records, from one line on how far it is to the next
LINES = [f"{RUN}/metrics.jsonl", f"{OTHER}/metrics.jsonl", f"{OTHER}/media/curves-000000017.json", *BESIDE]

_DEEP = "stands for brackets"
VALUES = {
    "null": None,
    "NaN": float("nan"),
    "a number": 7,
    "a huge number": 10**400,
    "below 0": -5,
    "1e300": 1e300,
    "a text": "x",
    "no text": "",
    "half a character": "a\ud800b",
    "a zero byte": "a\0b",
    "true": True,
    "a list": [1, "x", None],
    "lists of lists": [[{}]],
    "an object": {"a": {"b": [None]}},
    "an empty object": {},
    "an empty list": [],
    "brackets, 10,000 deep": _DEEP,
    "brackets, 60 deep": json.loads("[" * 60 + "]" * 60),
    "an escape": "\x1b[31m/../<b>",
    "a long text": "q" * 5000,
    "a time": "0001-01-01T00:00:00+14:00",
    "missing": ...,
}


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    every: int = 1
    """Try each so-manieth of all changes."""
    only: str = ""
    """Try those of files whose name holds this."""


def places(value: object, at: tuple = ()) -> Iterator[tuple]:
    """Where in a record a value stands; of a list its first entry counts."""
    if at:
        yield at
    entries = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in entries:
        yield from places(one, (*at, key))


def changed(record: dict, at: tuple, value: object) -> str:
    """The record as JSON, with another value in a place, or without it."""
    record = copy.deepcopy(record)
    inner = record
    for key in at[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return json.dumps(record).replace(json.dumps(_DEEP), "[" * 10_000 + "]" * 10_000)


def changes(root: Path, only: str) -> Iterator[tuple[str, str]]:
    """Each change of a record below `root`, made while it is looked at: what it is, and the run that it is of."""
    for name in (name for name in FILES if only in name):
        path = root / name
        whole = path.read_text()
        for at in places(json.loads(whole)):
            for kind, value in VALUES.items():
                path.write_text(changed(json.loads(whole), at, value))
                yield f"{name}, {'.'.join(map(str, at))}: {kind}", name.split("/")[0] if "studies" not in name else RUN
        path.write_text(whole)
    for name in (name for name in LINES if only in name):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        if name in BESIDE:
            path.write_text(json.dumps(BESIDE[name]) + "\n")
        whole = path.read_text()
        *before, line = whole.splitlines(keepends=True)
        record = json.loads(line)
        for kind, value in VALUES.items():
            other = [
                (".".join(map(str, at)), changed(record, at, value)) for at in itertools.islice(places(record), FIRST)
            ]
            if value is not ...:
                other.append(("", changed({"": None}, ("",), value).removeprefix('{"": ').removesuffix("}")))
            for at, text in other:
                path.write_text("".join([*before, text, "\n"]))
                yield f"{name}, {at or 'the whole line'}: {kind}", name.split("/")[0]
        path.write_text(whole)


def said(action: Callable[[], object]) -> str:
    """What is printed and returned, as a terminal with UTF-8 takes it; an error for a user counts as said."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            print(action())
        except UserError as error:
            cli.say_error(str(error))
            printed.flush()
            line = printed.buffer.getvalue().decode().rpartition("error: ")[2]
            if line.count("\n") != 1 or len(line) > 1_000:
                raise AssertionError(f"no line: {line}") from None
    printed.flush()
    return printed.buffer.getvalue().decode()


def readers(root: Path, run: str) -> dict[str, Callable[[], object]]:
    """All that reads records, by name; none trains, and none talks to W&B."""
    index = RunIndex(root)
    pages = app.Pages(index)

    def page(method: str, query: str = "", **names: str) -> Callable[[], object]:
        scope = {"type": "http", "query_string": query.encode(), "path_params": names, "headers": [], "path": "/"}
        return lambda: bytes(getattr(pages, method)(Request(scope)).body).decode()

    def command(module, *words: str) -> Callable[[], object]:
        def run_it() -> None:
            with mock.patch.object(sys, "argv", ["", *words, "--runs-dir", str(root)]):
                module.main()

        return run_it

    both = f"run={run}&run=digits-s2-b6054ca9"
    return {
        "list of runs": page("overview"),
        "page of a run": page("run", name=run),
        "charts of a run": page("run_charts", name=run),
        "page of a study": page("study", name=STUDY),
        "charts of a study": page("study_charts", name=STUDY),
        "comparison": page("compare", both),
        "charts of a comparison": page("compare_charts", both),
        "list in the terminal": command(runs),
        "a run in the terminal": command(show, run),
        "a study in the terminal": command(show, STUDY),
        "a run as JSON": command(show, run, "--json", "--all"),
        "a study as JSON": command(show, STUDY, "--json"),
        "all runs as JSON": command(runs, "--json"),
        "all runs in a file": command(runs, "--file", str(root.parent / "runs.csv")),
        "groups compared": command(compare, STUDY, f"{run}*"),
        "a table of groups": command(table, "digits-*", "--by", "cell", "--format", "csv"),
        "report": lambda: report.page(studies.read(index, STUDY), index, [], answers.confirmation_runs(index, STUDY)),
        "resume": command(resume, run),
        "reproduce": command(reproduce, run),
        "drawing of pictures": lambda: plots.draw(root / run),
        "sync of a run": lambda: sync.prepare(root / run),
        "sync of a study": lambda: study_run.send(root / "studies" / STUDY, "offline"),
    }


def reached(*_: object, **__: object) -> None:
    """Stands where a training or a copy at W&B would begin."""
    raise UserError("reached")


@contextlib.contextmanager
def nothing_begins() -> Iterator[None]:
    """No training, and no copy at W&B, begins in here."""
    run = type(digits.run)
    with mock.patch.object(run, "__call__", reached), mock.patch.object(follow.Server, "begin", reached):
        yield


def torture(every: int, only: str = "", beside: str = "digits-s2-b6054ca9") -> str:
    """Try changes, and say how many. Raises `AssertionError` where one is not borne, or hides another run."""
    count = 0
    with TemporaryDirectory() as folder, nothing_begins():
        root = Path(shutil.copytree(FIXTURES, Path(folder) / "runs"))
        for number, (change, run) in enumerate(changes(root, only)):
            if number % every:
                continue
            count += 1
            if count % SAID == 0:
                print(f"{count} changed records, now {change}", file=sys.stderr, flush=True)
            for reader, action in readers(root, run).items():
                try:
                    shown = said(action)
                except Exception as error:
                    raise AssertionError(f"{change}: {reader} ends in {type(error).__name__}: {error}") from error
                if reader.startswith("list"):
                    assert beside in shown, f"{change}: {reader} lacks {beside}"
    if not count:
        raise UserError(f"no record's name holds {only!r}: {', '.join([*FILES, *LINES])}")
    return f"{count} changed records, {len(readers(FIXTURES, RUN))} readers of each: all in words"


def main() -> None:
    """Torture as the command line says."""
    options = cli.parse(Options, "python -m tests.torture.faults.records", sys.argv[1:], __doc__)
    print(torture(options.every, options.only), flush=True)


if __name__ == "__main__":
    cli.main(main)
