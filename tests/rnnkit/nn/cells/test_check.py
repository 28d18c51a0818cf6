"""Cells of one's own: one in no file, and what is refused, given itself or as a file, in one line."""

from dataclasses import replace

import pytest
import torch

import rnnkit
from rnnkit.core import BaseConfig
from rnnkit.core.errors import UserError
from rnnkit.nn import cells, registry


def test_an_own_cell_needs_no_file():
    """A leaky integrator: h_t = a h_{t-1} + (1 - a) W x_t."""

    def parameters(inputs, hidden):
        return {"weight_ih": cells.Parameter((hidden, inputs)), "leak": cells.Parameter((hidden,), 0.5)}

    def step(w, x, read, state):
        return (w["leak"] * state[0] + (1 - w["leak"]) * x,), {}

    cell = cells.Cell(name="leaky", recurrent=False, parameters=parameters, step=step)
    module = rnnkit.Recurrent(cell, 1, 1, dtype=torch.float64)
    with torch.no_grad():
        module.weight_ih_l0.fill_(2.0)
    output, h = module(torch.ones(4, 1, 1, dtype=torch.float64))
    assert output.flatten().tolist() == [1.0, 1.5, 1.75, 1.875]
    assert h.item() == 1.875
    with rnnkit.observe(module) as trace:
        module(torch.ones(4, 1, 1, dtype=torch.float64))
    assert trace["model"]["l0.f"].hidden.data.flatten().tolist() == [1.0, 1.5, 1.75, 1.875]


@pytest.mark.parametrize("name", cells.names())
@pytest.mark.parametrize("sizes", [(1, 1), (5, 3), (10**6, 10**6)])
def test_all_cells_are_what_they_say_and_trying_them_draws_nothing(name, sizes):
    before = torch.get_rng_state()
    cells.check(cells.named(name), *sizes)
    assert torch.equal(torch.get_rng_state(), before)


LSTM, MINGRU = replace(cells.named("lstm"), name="mine"), replace(cells.named("mingru"), name="mine")


def gives(change):
    """An LSTM whose step gives something else."""
    return replace(LSTM, step=lambda w, x, read, state: change(*cells.named("lstm").step(w, x, read, state)))


def has(**other):
    """An LSTM with other shapes of some parameters; None for one that is not there."""

    def parameters(inputs, hidden):
        known = cells.named("lstm").parameters(inputs, hidden) | {n: s and cells.Parameter(s) for n, s in other.items()}
        return {name: parameter for name, parameter in known.items() if parameter}

    return replace(LSTM, parameters=parameters)


def narrow(w, x):
    """Coefficients of a minGRU that keeps all units alike."""
    z, b, gates = cells.named("mingru").linear(w, x)
    return z[:, :1], b, gates


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (gives(lambda state, gates: ((state[0].repeat(1, 2), state[1]), gates)), "h of a step .* not \\(2, 8\\)"),
        (gives(lambda state, gates: ((state[0], state[1][:, :1]), gates)), "c of a step .* not \\(2, 1\\)"),
        (gives(lambda state, gates: ((state[0], None), gates)), "c of a step .* not NoneType"),
        (gives(lambda state, gates: (state[0], gates)), "a step gives \\(h, c,\\), a tuple"),
        (gives(lambda state, gates: (state * 2, gates)), "a step gives \\(h, c,\\), a tuple"),
        (gives(lambda state, gates: (state, {})), "its gates by letter, {i, f, g, o}"),
        (gives(lambda state, gates: (state, gates | {"z": gates["i"]})), "its gates by letter, {i, f, g, o}"),
        (gives(lambda state, gates: (state, gates | {"o": gates["o"].sum()})), "o of a step .* not \\(\\)"),
        (gives(lambda state, gates: state), "its gates by letter"),
        (gives(lambda state, gates: gates["u"]), "KeyError: 'u'"),
        (replace(MINGRU, coefficients=lambda w, x: (x, x, {"z": x, "n": x})), "RuntimeError"),
        (replace(MINGRU, coefficients=narrow), "a of a step .* not \\(2, 1\\)"),
        (replace(MINGRU, parameters=lambda i, h: {"weight_ih": (h, i)}), "AttributeError"),
        (replace(MINGRU, recurrent=True), "recurrent=True says whether there is a weight_hh"),
        (replace(LSTM, recurrent=False), "recurrent=False says whether there is a weight_hh"),
        (has(weight_hh=(16, 3)), "weight_hh is of shape \\(gates x hidden, hidden\\), not \\(16, 3\\)"),
        (has(bias_hh=(4,)), "bias_hh is of shape \\(16,\\), for the gates ifgo, not \\(4,\\)"),
        (has(weight_ih=(12, 3)), "RuntimeError"),
        (has(**{"weight.hh": (16, 4)}), "a parameter cannot be called 'weight.hh'"),
    ],
)
def test_a_cell_that_is_not_what_it_says_is_refused(cell, said):
    with pytest.raises(ValueError, match=f"^the cell mine: .*{said}") as error:
        rnnkit.Recurrent(cell, 3, 4)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"gates": "iffo"}, "each state and each gate has a letter of its own"),
        ({"states": "hh"}, "each state and each gate has a letter of its own"),
        ({"states": "ch"}, "h, the first state, is not among its own"),
        ({"keeps": "if"}, "one gate keeps the state, and one writes"),
        ({"keeps": "z"}, "z is not among its own"),
        ({"gates": ["i", "f", "g", "o"]}, "gates of a cell cannot be \\['i', 'f', 'g', 'o'\\]"),
        ({"bounded": 1}, "bounded of a cell cannot be 1"),
    ],
)
def test_facts_that_do_not_go_together_are_refused(facts, said):
    with pytest.raises(ValueError, match=said):
        replace(LSTM, **({"candidates": ""} | facts))


def test_a_cell_that_is_called_as_another_is_refused():
    with pytest.raises(ValueError, match="there is another cell 'peephole' in rnnkit/nn/cells"):
        rnnkit.Recurrent(replace(LSTM, name="peephole"), 3, 4)
    rnnkit.Recurrent(cells.named("peephole"), 3, 4)


def test_a_name_that_no_cell_has_is_answered_with_those_there_are():
    with pytest.raises(UserError, match="there is no cell 'peephoel': did you mean peephole\\? choose one of gru, "):
        rnnkit.Recurrent("peephoel", 3, 4)


@pytest.mark.parametrize("cell", [None, torch.nn.LSTM, 3])
def test_what_is_no_cell_is_refused_by_its_name(cell):
    with pytest.raises(TypeError, match="cell is the name of a cell, or a rnnkit.nn.cells.Cell, not"):
        rnnkit.Recurrent(cell, 3, 4)


GOOD = """from rnnkit.nn.cells import Cell, gated
def step(w, x, read, state):
    return (x + read @ w["weight_hh"].T,), {}
CELL = Cell(name="NAME", parameters=lambda i, h: gated(i, h, 1), step=step)
"""


@pytest.fixture
def placed(monkeypatch, tmp_path):
    """Puts a file beside those of the cells."""
    monkeypatch.setattr(cells.files, "FOLDER", tmp_path)
    monkeypatch.setattr(cells, "__path__", [*cells.__path__, str(tmp_path)])
    cached = cells.files.facts, cells.named

    def place(name, text):
        (tmp_path / f"{name}.py").write_text(text.replace("NAME", name))
        monkeypatch.setattr(cells, name, getattr(cells, name, None), raising=False)  # what an import sets is undone

    for each in cached:
        each.cache_clear()
    yield place
    for each in cached:
        each.cache_clear()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("twice", f"{GOOD}CELL = Cell(name='twice')", "twice.py of rnnkit/nn/cells needs one `CELL = Cell(...)`"),
        ("empty", "", "needs one `CELL = Cell(...)`"),
        ("numbers", GOOD.replace("name=", "gates=2, name="), "numbers.py of rnnkit/nn/cells: gates of a cell"),
        ("computed", GOOD.replace("name=", "gates='z' * 2, name="), "gates and the like must be plain values"),
        ("unroll", GOOD, "a cell cannot be called 'unroll', as something else in rnnkit.nn.cells is"),
        ("torch", GOOD, "a cell cannot be called 'torch', as something else in rnnkit.nn.cells is"),
        ("other", GOOD.replace("NAME", "another"), "must be called 'other'"),
        ("lacking", f"import nothing_of_this_name\n{GOOD}", "lacking.py: ModuleNotFoundError: No module named"),
        ("strange", GOOD.replace("name=", "keeps='z', name="), "strange.py: ValueError: the cell strange: z is not"),
        ("wide", GOOD.replace("x + read", "x.repeat(1, 2) + read"), "the cell wide: RuntimeError: The size of tensor"),
    ],
)
def test_a_file_that_is_no_cell_is_refused_in_one_line(placed, name, text, said):
    placed(name, text)
    with pytest.raises(UserError) as error:
        registry.made(BaseConfig(cell=name), 3, 4)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_is_a_cell(placed):
    placed("plain", GOOD)
    assert cells.names() == ["plain"]
    assert registry.made(BaseConfig(cell="plain"), 3, 4).cell.name == "plain"
