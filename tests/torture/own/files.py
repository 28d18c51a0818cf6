"""Files of one's own that are broken at random: each is read with every row accounted for, or refused in one line.

    python -m tests.torture.own.files                  # 1,000 files, each tenth that is read trained too: some minutes
    python -m tests.torture.own.files --number 50

A file that is read must have as many rows as an independent count of it; one that is refused must be named, with the
line where the fault lies in one, and never with a traceback.
"""

import csv
import io
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import own
from experiments.own import examples
from rnnkit.core import cli
from rnnkit.core.errors import UserError


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    number: int = 1_000
    """How many files."""
    seed: int = 0
    """Seed of what is broken."""
    train: int = 10
    """Each so manieth file that is read is trained too; 0 for none."""


WORDS = ("the", "a", "red,", "blue", "sky", "is", '"so"', "warm", "cold", "today")


def long_table(chance: random.Random) -> str:
    rows = ["id,time,heat,load,label"]
    for number in range(14):
        label = "ab"[number % 2]
        rows += [f"{number},{t},{chance.gauss(0, 1):.3f},{chance.random():.3f},{label}" for t in range(3 + number % 4)]
    return "\n".join(rows) + "\n"


def wide_table(chance: random.Random) -> str:
    rows = ["v1,v2,v3,v4,label"]
    for number in range(20):
        values = [f"{chance.gauss(number % 2, 1):.3f}" for _ in range(4)]
        values[4 - number % 3 :] = [""] * (number % 3)
        rows.append(",".join([*values, "xy"[number % 2]]))
    return "\n".join(rows) + "\n"


def text_table(chance: random.Random) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["text", "label"])
    for number in range(20):
        words = " ".join(chance.choice(WORDS) for _ in range(5))
        table.writerow([f"{words} {number}", ["good", "bad"][number % 2]])
    return out.getvalue()


def objects(chance: random.Random) -> str:
    rows = [
        {"series": [[chance.gauss(0, 1), chance.random()] for _ in range(2 + n % 3)], "label": "pq"[n % 2]}
        for n in range(16)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def token_lines(chance: random.Random) -> str:
    sentences = [
        [(chance.choice(("cat", "runs", "the", "dog")), chance.choice("NVD")) for _ in range(3)] for _ in range(14)
    ]
    return "\n\n".join("\n".join("\t".join(pair) for pair in one) for one in sentences) + "\n"


BASES: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "long": ("csv", long_table),
    "wide": ("csv", wide_table),
    "text": ("csv", text_table),
    "objects": ("jsonl", objects),
    "tokens": ("conll", token_lines),
}


def _at(chance: random.Random, raw: bytes, put: bytes, cut: int = 0) -> bytes:
    place = chance.randrange(len(raw))
    return raw[:place] + put + raw[place + cut :]


def _line(chance: random.Random, raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    lines = raw.split(b"\n")
    place = chance.randrange(len(lines))
    lines[place] = change(lines[place])
    return b"\n".join(lines)


def _field(chance: random.Random, raw: bytes, value: bytes) -> bytes:
    def change(line: bytes) -> bytes:
        parts = line.split(b",")
        parts[chance.randrange(len(parts))] = value
        return b",".join(parts)

    return _line(chance, raw, change)


def _shuffled(chance: random.Random, raw: bytes) -> bytes:
    head, *rest = raw.strip(b"\n").split(b"\n")
    chance.shuffle(rest)
    return b"\n".join([head, *rest]) + b"\n"


BREAKS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "bad UTF-8": lambda chance, raw: _at(chance, raw, b"\xff\xc3"),
    "byte-order mark": lambda chance, raw: b"\xef\xbb\xbf" + raw,
    "UTF-16": lambda chance, raw: raw.decode("utf-8", "replace").encode("utf-16"),
    "NUL": lambda chance, raw: _at(chance, raw, b"\0"),
    "quote": lambda chance, raw: _at(chance, raw, b'"'),
    "comma": lambda chance, raw: _at(chance, raw, b","),
    "tab": lambda chance, raw: _at(chance, raw, b"\t"),
    "ragged": lambda chance, raw: _line(chance, raw, lambda line: line.rpartition(b",")[0]),
    "header only": lambda chance, raw: raw.split(b"\n")[0] + b"\n",
    "nothing": lambda chance, raw: b"",
    "header twice": lambda chance, raw: raw + raw.split(b"\n")[0] + b"\n",
    "NaN": lambda chance, raw: _field(chance, raw, chance.choice((b"NaN", b"nan", b"NA", b"", b"null"))),
    "infinity": lambda chance, raw: _field(chance, raw, chance.choice((b"inf", b"-Infinity", b"1e999", b"1e39"))),
    "long field": lambda chance, raw: _field(chance, raw, b"x" * 200_000),
    "wrong type": lambda chance, raw: _field(chance, raw, chance.choice((b"red", b"1_000", b"[1]", b"{}", b"0x1f"))),
    "line twice": lambda chance, raw: _line(chance, raw, lambda line: line + b"\n" + line),
    "empty line": lambda chance, raw: _line(chance, raw, lambda line: line + b"\n"),
    "line gone": lambda chance, raw: _line(chance, raw, lambda line: b""),
    "shuffled": _shuffled,
    "one class": lambda chance, raw: raw.replace(b",b\n", b",a\n").replace(b",y\n", b",x\n"),
    "ends": lambda chance, raw: raw.replace(b"\n", b"\r\n"),
    "old ends": lambda chance, raw: raw.replace(b"\n", b"\r"),
    "cut short": lambda chance, raw: raw[: chance.randrange(len(raw))],
    "a byte": lambda chance, raw: _at(chance, raw, bytes([chance.randrange(256)]), 1),
}


def broken(number: int, seed: int) -> tuple[str, str, list[str], bytes]:
    """A file: its kind, its suffix, what was done to it, and its bytes."""
    chance = random.Random(f"{seed} {number}")
    kind = list(BASES)[number % len(BASES)]
    suffix, make = BASES[kind]
    raw = make(chance).encode()
    done = [list(BREAKS)[number // len(BASES) % len(BREAKS)]]
    done += [chance.choice(list(BREAKS))] if chance.random() < 0.3 else []
    for name in done:
        raw = BREAKS[name](chance, raw) if raw else raw
    return kind, suffix, done, raw


def rows_of(kind: str, raw: bytes) -> int:
    """How many rows a file has, counted without what reads it."""
    text = raw.decode("utf-8-sig")
    if kind in ("objects", "tokens"):
        return sum(bool(line.strip()) for line in text.split("\n"))
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(map(str.strip, row)) or len(row) > 1]
    return len(rows) - 1


def told(path: Path, kind: str, raw: bytes, runs: Path, train: bool) -> tuple[str, str]:
    """How a file fared: "read", "refused", or what is wrong; and the line that refused it."""
    fold = {"folds": 1, "track": "off", "runs_dir": runs, "observe": "off", "updates": 3}
    target = "" if kind == "tokens" else "label"
    task = {"tokens": "auto"}.get(kind, "label")
    try:
        config = own.settle(own.Config(data=str(path), target=target, task=task, **fold))
        prepared = examples.prepared(config)
    except UserError as error:
        line = str(error)
        if "\n" in line or len(line) > 600:
            return "an error of several lines", line
        return ("refused", line) if path.name in line or "sequence" in line else ("an error without the file", line)
    steps = kind in ("long", "tokens")
    mine = prepared.own
    found = int(mine.lengths.sum()) if steps else len(mine)
    if found != rows_of(kind, raw):
        return f"{found} rows of {rows_of(kind, raw)}", ""
    used = {int(i) for part in (prepared.places.train, prepared.places.valid, prepared.places.test) for i in part}
    if used != set(range(len(mine))):
        return f"{len(used)} of {len(mine)} sequences used", ""
    if train:
        own.run(config)
    return "read", ""


def torture(number: int, seed: int, train: int, folder: Path, say: Callable[[str], None] = print) -> Counter[str]:
    """Read so many broken files. Raises `AssertionError`, with the file's number, for one that is read wrongly."""
    counts: Counter[str] = Counter()
    for i in range(number):
        kind, suffix, done, raw = broken(i, seed)
        path = folder / f"broken-{i}.{suffix}"
        path.write_bytes(raw)
        try:
            how, line = told(path, kind, raw, folder / "runs", bool(train) and not i % train)
        except Exception as error:
            raise AssertionError(f"file {i} ({kind}; {', '.join(done)}): {type(error).__name__}: {error}") from error
        assert how in ("read", "refused"), f"file {i} ({kind}; {', '.join(done)}): {how}: {line}"
        counts[how] += 1
        path.unlink()
    say(f"{counts['read']} of {number} broken files read with all rows, {counts['refused']} refused in one line")
    return counts


def main() -> None:
    """Break files, and print what came out."""
    options = cli.parse(Options, "python -m tests.torture.own.files", sys.argv[1:], __doc__)
    with TemporaryDirectory() as folder:
        torture(options.number, options.seed, options.train, Path(folder))


if __name__ == "__main__":
    cli.main(main)
