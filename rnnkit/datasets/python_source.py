"""Lines of Python's own library, each character with the kind of token that it belongs to: no download.

Origin: modules of the standard library (Python Software Foundation License), some to train, others to validate, others
to test with. The kinds are those of its own tokenizer (`tokenize`). They and the modules differ from one version of
Python to the next: the checksum goes into a run's manifest, and no published number is about them.

A line stands by itself: that it is in the middle of a long string can only be guessed from what it says.

>>> kinds('x = "a"')[0]
['name', 'blank', 'operator', 'blank', 'string', 'string', 'string']
"""

import functools
import hashlib
import importlib.util
import io
import itertools
import tokenize

from rnnkit.core import UserError
from rnnkit.datasets.formats.conllu import Part, Tagged


KINDS = ("name", "number", "operator", "string", "comment", "blank")
TRAIN = (
    *("calendar", "colorsys", "csv", "fnmatch", "fractions", "glob", "heapq", "shlex"),
    *("statistics", "string", "textwrap"),
)
VALID = ("graphlib", "queue")
TEST = ("reprlib", "sched", "timeit")

_KIND_OF = {"NAME": "name", "NUMBER": "number", "OP": "operator", "STRING": "string", "COMMENT": "comment"}


@functools.cache
def load() -> Tagged:
    """The lines of all modules that are not blank."""
    texts = [[_source(module) for module in modules] for modules in (TRAIN, VALID, TEST)]
    parts: list[Part] = []
    for of_part in texts:
        lines = itertools.chain.from_iterable(zip(text.split("\n"), kinds(text), strict=True) for text in of_part)
        kept = [(line, kinds_of_line) for line, kinds_of_line in lines if line.strip()]
        parts.append(Part([line for line, _ in kept], [kinds_of_line for _, kinds_of_line in kept]))
    digest = hashlib.sha256("\0".join(itertools.chain(*texts)).encode()).hexdigest()
    return Tagged(*parts, sha256=digest, names=KINDS)


def kinds(text: str) -> list[list[str]]:
    """The kind of each character of each line of a Python source.

    `blank` is what stands between tokens: white space, and a backslash that joins two lines. What the tokenizer leaves
    out inside a string (one of two braces in an f-string) is of the string.
    """
    lines = text.split("\n")
    kind_of = [[""] * len(line) for line in lines]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        kind = "string" if name.startswith(("FSTRING", "TSTRING")) else _KIND_OF.get(name)
        if kind is None:
            continue
        (first, begin), (last, end) = token.start, token.end
        for row in range(first, last + 1):
            columns = slice(begin if row == first else 0, end if row == last else len(lines[row - 1]))
            kind_of[row - 1][columns] = [kind] * len(kind_of[row - 1][columns])
    for line, of_line in zip(lines, kind_of, strict=True):
        before = "blank"
        for column, character in enumerate(line):
            if not of_line[column]:
                of_line[column] = before if character in "{}" else "blank"
            before = of_line[column]
    return kind_of


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    get_source = getattr(spec and spec.loader, "get_source", None)
    text = get_source(module) if get_source else None
    if text is None:
        raise UserError(f"this Python came without the source of its module {module}: take another --data")
    return text
