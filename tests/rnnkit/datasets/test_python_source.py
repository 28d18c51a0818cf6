"""Python source by kinds of tokens, against sources put together from tokens whose kinds are known."""

import io
import keyword
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnkit.core.errors import UserError
from rnnkit.datasets import python_source


PIECES = {
    "name": ["x", "_long_name1", "é", "if", "None"],
    "number": ["1", "0x1F", "1.5e-3", "2j"],
    "operator": ["+", "**", ":=", "->", "...", "=="],
    "string": ['"a b"', "'# no comment'", 'b"\\""', '"""one 1 + """', "r'{x}'"],
    "blank": [" ", "  ", " \t"],
}
COMMENTS = ["# why 'not'", "#", "#:="]


@st.composite
def lines(draw):
    """A line of tokens with blanks between, and the kind of each of its characters."""
    text, kinds = "", []
    for kind in draw(st.lists(st.sampled_from(["name", "number", "operator", "string"]), min_size=1, max_size=6)):
        for part in (kind, "blank"):
            piece = draw(st.sampled_from(PIECES[part]))
            text += piece
            kinds += [part] * len(piece)
    if draw(st.booleans()):
        comment = draw(st.sampled_from(COMMENTS))
        text += comment
        kinds += ["comment"] * len(comment)
    return text, kinds


@given(st.lists(lines(), min_size=1, max_size=4))
def test_a_source_put_together_from_tokens(sources):
    assert python_source.kinds("\n".join(text for text, _ in sources)) == [kinds for _, kinds in sources]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('s = """a\n  b 1\n""" # c', ["nbobssss", "sssss", "sssbccc"]),
        ("if x:\n\ty = 1 + \\\n  2", ["nnbno", "bnbobdbobb", "bbd"]),
        ("f(x)[0] @ -y\n\n", ["nonoodobobon", "", ""]),
    ],
)
def test_kinds_by_hand(text, expected):
    letters = {"n": "name", "d": "number", "o": "operator", "s": "string", "c": "comment", "b": "blank"}
    assert python_source.kinds(text) == [[letters[letter] for letter in line] for line in expected]


def test_an_f_string_has_no_blank_but_its_blanks_and_keeps_double_braces():
    text = 'f"{{a}} {b!r:>{w}} {{"'
    (kinds,) = python_source.kinds(text)
    assert kinds[:7] == ["string"] * 7
    assert kinds[-4:] == ["string"] * 4
    # From Python 3.12 on what stands in braces are tokens of their own, before it is a part of the string.
    inside = {"name"} if hasattr(tokenize, "FSTRING_START") else {"string"}
    assert {kinds[text.index("b")], kinds[text.index("w")]} == inside


def test_the_parts_are_lines_of_different_modules_without_blank_ones():
    source = python_source.load()
    assert not set(python_source.TRAIN) & set(python_source.TEST + python_source.VALID)
    assert not set(python_source.VALID) & set(python_source.TEST)
    parts = {"train": source.train, "valid": source.valid, "test": source.test}
    for part in parts.values():
        assert all(line.strip() for line in part.sequences)
        assert [len(line) for line in part.sequences] == [len(tags) for tags in part.tags]
        assert {tag for tags in part.tags for tag in tags} == set(python_source.KINDS) == set(source.names)
    train, valid, test = (sum(map(len, part.sequences)) for part in parts.values())
    assert train > 4 * (valid + test)
    import queue

    with open(queue.__file__, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip()]
    assert source.valid.sequences[-len(lines) :] == lines


def test_all_keywords_of_the_library_are_names_outside_strings_and_comments():
    source = python_source.load().test
    for line, kinds in zip(source.sequences, source.tags, strict=True):
        first = line.split()[0]
        kind = kinds[line.index(first)]
        if keyword.iskeyword(first):
            assert kind in ("name", "string")  # a docstring's line may begin so
        if first.startswith("#"):
            assert set(kinds[line.index("#") :]) == {"comment"} or kind == "string"


def test_no_character_is_blank_that_is_none():
    source = python_source.load()
    for part in (source.train, source.valid, source.test):
        for line, kinds in zip(part.sequences, part.tags, strict=True):
            assert all(c.isspace() or c == "\\" for c, kind in zip(line, kinds, strict=True) if kind == "blank")


def test_a_python_without_its_source_is_one_line(monkeypatch):
    monkeypatch.setattr(python_source, "TRAIN", ("sys",))  # built in: there is none
    python_source.load.cache_clear()
    with pytest.raises(UserError, match="without the source of its module sys"):
        python_source.load()


def test_the_tokenizer_agrees_that_what_it_read_is_the_source():
    """The kinds of a module, put back together as (kind, text) runs, are its tokens."""
    text = python_source._source("sched")
    runs = []
    for line, kinds in zip(text.split("\n"), python_source.kinds(text), strict=True):
        runs += [c for c, kind in zip(line, kinds, strict=True) if kind == "name"]
    names = [t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.NAME]
    assert "".join(runs) == "".join(names)
