"""What cells there are, as the registry says without their equations; and that no list of them stands beside it."""

import ast
from collections.abc import Iterator

import pytest

from rnnkit.core import cells
from tests.test_architecture import listed, trees


def test_standard_cells_are_those_with_a_layer_of_torch_and_gated_ones_keep_their_state():
    assert cells.standard() == ("rnn", "gru", "lstm")
    assert cells.gated() == ("gru", "lstm")
    assert set(cells.standard()) < set(cells.names())


def cells_listed(tree: ast.AST) -> Iterator[int]:
    """The lines of literals that list two cells or more: their names, or entries that begin with them.

    Figures by cell, as others published them, are no such list.
    """

    def named(entry: ast.expr | None) -> str | None:
        if isinstance(entry, ast.Tuple | ast.List) and entry.elts:
            entry = entry.elts[0]
        return entry.value if isinstance(entry, ast.Constant) and entry.value in cells.names() else None

    for node in ast.walk(tree):
        entries: list[ast.expr | None] = []
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            entries = [*node.elts]
        elif isinstance(node, ast.Dict) and not all(_is_number(value) for value in node.values):
            entries = [*node.keys]
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):  # Literal["gru", "lstm"]
            entries = [*node.slice.elts]
        elif isinstance(node, ast.BinOp):  # lists put together
            entries = [e for side in (node.left, node.right) if isinstance(side, ast.List) for e in side.elts]
        if len({name for entry in entries if (name := named(entry))}) > 1:
            yield node.lineno


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('for cell in ("lstm", "gru"): pass', True),
        ('x = [("gru", "GRU"), ("lstm", "LSTM")]', True),
        ('x = [("gru", 1)] + [("mingru", 2)]', True),
        ('x = {"rnn": ("default",), "gru": ("chrono",)}', True),
        ('x: Literal["gru", "lstm"] = "gru"', True),
        ('x = {"cell": "gru"}, ["gru", "last"], ("sequential", "lstm")', False),
        ('PUBLISHED = {"lstm": 8.45, "gru": 8.43}', False),
    ],
)
def test_a_list_of_cells_is_found(code, found):
    assert bool(list(cells_listed(ast.parse(code)))) is found


def test_no_list_of_cells_stands_beside_the_registry():
    """A file in rnnkit/nn/cells is a cell: whoever wants several asks `rnnkit.core.cells`."""
    wrong = [f"{module}:{line}" for module, tree in trees().items() for line in cells_listed(tree)]
    assert not wrong, listed(wrong)
