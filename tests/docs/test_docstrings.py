"""Docstrings: examples give what they say, and nothing in them is lost where they are shown as Markdown (make docs)."""

import ast
import doctest
import importlib
import re

import pytest

from tests.helpers import ROOT


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "rnnkit").rglob("*.py"))
}


@pytest.mark.parametrize("name", [name for name, text in MODULES.items() if re.search(">>> (?!.*SKIP)", text)])
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


def prose(text):
    """The lines of a module's docstrings that are shown as text: no code, whether in blocks or within backticks."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            lines = (ast.get_docstring(node) or "").splitlines()
            yield from (re.sub("`[^`]*`", "", line) for line in lines if not line.startswith(("    ", ">>> ", "... ")))


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("rnnkit.nn.kernels")])
def test_prose_stays_as_it_is_in_markdown(name):
    """No colons that only reStructuredText reads, no tags, no columns, no sentence that would begin a list."""
    odd = [line for line in prose(MODULES[name]) if re.search(r"::$|<\w+>|\S {3,}\S|^ *\d+\. ", line)]
    assert not odd
