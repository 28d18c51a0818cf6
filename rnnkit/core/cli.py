"""Typed command lines from dataclasses (by tyro), with errors of one line, and exits that scripts can rely on.

Exit codes: 0 done, 1 for what was tried and failed (a run that diverged), 2 for something that the user gave, 130 after
Ctrl-C, 143 after SIGTERM, 129 after the end of the terminal.
"""

import contextlib
import dataclasses
import io
import itertools
import os
import re
import resource
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn, TypeVar

from rnnkit.core import cells, determinism, extras, signals, surroundings, terminal
from rnnkit.core.cells import CellName
from rnnkit.core.config import BaseConfig
from rnnkit.core.errors import UserError, flag, is_out_of_memory
from rnnkit.core.texts import wording


Arguments = TypeVar("Arguments")

_ASCII = str.maketrans("│╭╮╰╯─", "|++++-")  # for terminals that have no lines


def parse(kind: type[Arguments], prog: str, argv: Sequence[str], description: str | None = None) -> Arguments:
    """Read `argv` into the dataclass `kind`. Raises `UserError` where a flag is wrong; exits 0 after `--help`."""
    with extras.needed("experiments", "the command line"), surroundings.hidden("PYTHON_TYRO_"):
        import tyro

    said, helped = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    width = str(min(max(60, shutil.get_terminal_size().columns), 100))  # in less, tyro finds no end
    try:
        with (
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(helped),
            surroundings.hidden("COLUMNS$", COLUMNS=width),
        ):
            registry = tyro.constructors.ConstructorRegistry()
            registry.primitive_rule(_cell_rule)
            with registry:
                return tyro.cli(kind, prog=prog, args=list(argv), description=" ")  # it would run examples together
    except SystemExit as stop:
        if stop.code == 2:
            wrong = _first_block(_read(said))
            raise UserError(f"{wrong}{_meant(kind, argv, wrong)} (see: {prog} --help)") from None
        text = arranged(_read(helped), description or kind.__doc__ or "", kind, int(width))
        print(text if terminal.can_show(text) else text.translate(_ASCII), end="")
        raise  # --help, or a SIGTERM just now


def _cell_rule(asked: Any) -> Any:
    """How tyro reads the name of a cell: one of those that there are."""
    from tyro.constructors import PrimitiveConstructorSpec

    if asked.type is not CellName:
        return None
    known = tuple(cells.names())
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{{{','.join(known)}}}",
        instance_from_str=lambda words: CellName(words[0]),
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [str(value)],
        choices=known,
    )


def _read(printed: io.TextIOWrapper) -> str:
    printed.seek(0)
    return printed.read()


def _first_block(box: str) -> str:
    """The message inside the box that tyro draws, which has a title: its lines up to the first rule, joined."""
    lines: list[str] = []
    inside = False
    for line in box.splitlines():
        text = line.strip("│╭╮╰╯ ")
        if not text.strip("─-") or line.startswith("╭"):
            if inside:
                break
            inside = True
        elif inside:
            lines.append(text)
    return _plainly(" ".join(lines).rstrip(".")) or box.strip()


def _plainly(wrong: str) -> str:
    """What tyro says of a word that is missing or no number, without the names of Python's functions."""
    if (lacking := re.fullmatch(r"Missing from [^:]*: \S+ (?P<what>.*?)\.? \(required\)", wrong)) is not None:
        return f"a word is missing. {lacking['what']}"
    kinds = r"no type matching (?P<kinds>.*) could be instantiated from \['(?P<one>.*)'\]"
    kinds += (
        r"|invalid literal for int\(\) with base 10: '(?P<whole>.*)'|could not convert string to float: '(?P<any>.*)'"
    )
    found = re.fullmatch(rf"Error parsing (?P<flag>\S+): (?:{kinds})", wrong)
    if found is None or (found["kinds"] and not re.search("INT|FLOAT", found["kinds"])):
        return wrong
    value, is_whole = found["one"] or found["whole"] or found["any"] or "", "INT" in (found["kinds"] or "")
    return f"{found['flag']} {value}: give a {'whole ' if is_whole or found['whole'] is not None else ''}number"


def _meant(kind: type, argv: Sequence[str], wrong: str) -> str:
    """What was meant by a word that was refused: a flag, or one of the choices that tyro lists."""
    flags = [flag(field.name) for field in dataclasses.fields(kind)]  # pyright: ignore[reportArgumentType]
    flags += [name.replace("--", "--no-", 1) for name in flags]
    if wrong.startswith("Unrecognized"):
        refused = (word.partition("=")[0] for word in argv if word.startswith("--") and word in wrong)
        return next(filter(None, (wording.meant(word, flags) for word in refused)), "")
    if (choice := re.search(r"invalid choice '([^']*)'.*\((.*)\)", wrong)) is not None:
        return wording.meant(choice[1], re.findall(r"'([^']*)'", choice[2]))
    return ""


def arranged(text: str, description: str, kind: type, width: int) -> str:
    """tyro's help text with a description: its paragraphs wrapped, examples as they are, and indented.

    An experiment's own settings come before those that all share.
    """
    usage, _, rest = text.partition("\n\n")
    parts = [_paragraph(part, width) for part in re.split(r"\n\s*\n", description.rstrip())]
    box = rest[rest.index("╭") :].splitlines() if "╭" in rest else []
    return "\n".join([usage, "", "\n\n".join(parts), "", *_own_first(_flowing(box), kind), ""])


def _paragraph(text: str, width: int) -> str:
    lines = textwrap.dedent(text).splitlines()
    if text[:1].isspace() or all(line.startswith("python -m") for line in lines):  # ruff takes some indents away
        return textwrap.indent("\n".join(lines), "    ")
    return "\n".join(textwrap.wrap(text, width))


def _flowing(box: list[str]) -> list[str]:
    """The same with the text of each option wrapped anew: tyro breaks it where the source does too."""
    top = next((n for n, line in enumerate(box) if line.startswith("│ -h, --help ")), None)
    if top is None:
        return box
    bottom = next(n for n in range(top, len(box)) if box[n].startswith("╰"))
    column = box[top].index("show this")
    blank, room = f"│{' ' * (column - 1)}", len(box[top]) - column - 2
    begins = [n for n in range(top, bottom) if not box[n].startswith("│   ")]
    found = box[:top]
    for begin, end in itertools.pairwise([*begins, bottom]):
        name, texts = box[begin][:column], [box[n][column:-1] for n in range(begin, end)]
        if not name.endswith("  "):  # it takes a line for itself
            found.append(box[begin])
            name, texts = blank, texts[1:]
        lines = textwrap.wrap(" ".join(" ".join(texts).split()), room, break_on_hyphens=False)
        found += [f"{name if n == 0 else blank}{line.ljust(room)} │" for n, line in enumerate(lines)]
    return found + box[bottom:]


def _own_first(box: list[str], kind: type) -> list[str]:
    if not issubclass(kind, BaseConfig):
        return box
    own = {flag(field.name) for field in dataclasses.fields(kind)} - {
        flag(f.name) for f in dataclasses.fields(BaseConfig)
    }
    begins = [n for n, line in enumerate(box) if line.startswith("│ -")]
    if not own or not begins:
        return box
    ends = [*begins[1:], len(box) - 1]
    groups: dict[str, list[str]] = {f"settings of {kind.experiment} alone": [], "settings of all experiments": []}
    for begin, end in zip(begins, ends, strict=True):
        is_own = (re.search(r"--[a-z-]+", box[begin]) or [""])[0] in own
        groups[list(groups)[not is_own]] += box[begin:end]
    boxes = ([f"╭─ {title} ".ljust(len(box[0]) - 1, "─") + "╮", *group, box[-1]] for title, group in groups.items())
    return list(itertools.chain(*boxes))


def main(action: Callable[[], None], settle: bool = True, prints: bool = False) -> None:
    """Run a command to its exit code. A `UserError` and too little memory are one line on stderr, signals 128 and more.

    `settle` asks for results that are the same at any number of threads, at some cost (`determinism.settle_numerics`).
    `prints` says that what the command is for is what it prints: then it failed where that cannot be written. Else
    that is said in a line, and the exit code is that of the work.
    """
    terminal.open_what_is_closed()
    terminal.read_names_as_utf8()
    while_imported = signal.getsignal(signal.SIGINT)
    if settle:
        determinism.settle_numerics()
    for number in signals.heeded():
        if number != signal.SIGINT:  # Python's own handler says it
            signal.signal(number, _terminated)
    _limit_memory()
    code = 0
    try:
        with terminal.outputs() as out:
            code = _exit_code(action)
            out.flush()
            if (failure := out.take_failure()) is not None:
                after = "make room, or write elsewhere" if prints else "the work itself is done, and recorded"
                lost = f"what was to be printed is lost ({failure.strerror}): {after}"
                print(f"{'error: ' * prints}{lost}", file=sys.stderr)
                code = code or 2 * prints
    except BrokenPipeError:  # `| head` went away: nobody is left to read
        sys.stderr.close()
        terminal.forget(1)
        sys.exit(1)
    finally:
        signal.signal(signal.SIGINT, while_imported)  # so that what Python does at its end shows no traceback either
    if code:
        sys.exit(code)


def _exit_code(action: Callable[[], None]) -> int | str | None:
    """Run a command; its exit code, after saying on stderr what ended it."""
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        came.append(number)
        raise KeyboardInterrupt

    try:
        terminal.require_folder()
        if callable(signal.getsignal(signal.SIGINT)):  # else it is ignored
            signal.signal(signal.SIGINT, interrupt)  # see `rnnkit.starting`
        action()
    except UserError as error:
        say_error(str(error))
        return 2
    except SystemExit as stop:
        return stop.code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        # Where it comes while NumPy is imported, torch may catch it, and what follows fails for lack of half of NumPy.
        if came or _interrupted(error):
            print("interrupted", file=sys.stderr)
            return 130
        if not is_out_of_memory(error):
            raise
        say_error("out of memory: lower the settings that make it large, or take less data")
        return 2
    return 0


def say_error(text: str) -> None:
    """Say an error on stderr, in one line to be read, whatever stands in a file or a server's answer that it names."""
    print(f"error: {wording.cut(wording.printable(text), 900)}", file=sys.stderr)


def _interrupted(error: BaseException | None) -> bool:
    """Whether a Ctrl-C is behind an error: NumPy turns one that comes while it is imported into an ImportError."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or _interrupted(error.__context__))


def _limit_memory(share: float = 0.9) -> None:
    """Let this process have no more than `share` of the machine's memory.

    Without a limit the system grants what it does not have, and kills the process when it uses it, which nobody could
    say a word about. A lower limit of the user's stays.
    """
    with contextlib.suppress(ValueError, OSError):  # a system that does not know it
        limit = int(share * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if all(now == resource.RLIM_INFINITY or now > limit for now in (soft, hard)):
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _terminated(signum: int, frame: object) -> NoReturn:
    signals.leave_terminal(signum)
    signal.signal(signum, signal.SIG_DFL)  # a second one ends the process at once
    sys.exit(128 + signum)
