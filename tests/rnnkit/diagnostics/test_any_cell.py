"""What the monitor and dynamics make of cells that have no layer in torch.nn."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import rnnkit
from rnnkit.core.errors import UserError
from rnnkit.diagnostics import dynamics, monitor, norms, probe
from rnnkit.nn import cells
from tests.rnnkit.nn.cells.references import STEPS, made


def on(module, *inputs):
    """Watch a module alone, on packed sequences."""
    model = nn.Module()
    model.encoder = module
    packed = pack_sequence(list(inputs), enforce_sorted=False)
    return model, probe.ProbeBatch(lambda: module(packed), None, len(inputs[0]))


@pytest.mark.parametrize("name", cells.names())
def test_jacobians_are_those_of_the_reference(name):
    module, cell = made(name, 2, 3), cells.named(name)
    x, state = torch.randn(3, 2).double(), torch.rand(len(cell.states), 3, 3).double() + 0.1
    if name == "slstm":
        state[3] = 0  # where the reference has the same c and n; its m stays there
    found = dynamics.jacobians(module, [x, *state])
    w, shown = module.parameters_of(module.places[0]), 3 if name == "slstm" else 3 * len(cell.states)
    for i in range(3):

        def step(joined, i=i):
            parts = dict(zip(cell.states, joined.split(3), strict=True))
            new, _ = STEPS[name](w, x[i], parts["h"], parts)
            return torch.cat([new[letter] for letter in cell.states])

        expected = torch.autograd.functional.jacobian(step, state[:, i].flatten())
        torch.testing.assert_close(found[i][:shown, :shown], expected[:shown, :shown], rtol=1e-9, atol=1e-12)


def test_a_scan_of_one_factor_has_its_logarithm_as_exponent_rate_and_timescale():
    """minGRU with z = 0.9 at all steps."""
    module = rnnkit.Recurrent("mingru", 2, 3)
    with torch.no_grad():
        module.weight_ih_l0.zero_()
        module.bias_ih_l0[:3] = math.log(0.9 / 0.1)
    model, watch = on(module, torch.randn(40, 2), torch.randn(20, 2))
    found = monitor.look(model, watch).numbers
    assert found["gate/encoder.l0.f/z/timescale_max"] == pytest.approx(-1 / math.log(0.9), rel=1e-5)
    assert found["memory/encoder.l0.f/rate"] == pytest.approx(math.log(0.9), rel=1e-5)
    assert not any("/n/" in key for key in found)  # a candidate is no gate
    exponents = dynamics.lyapunov_exponents(module, torch.randn(40, 2), 3)
    assert exponents.tolist() == pytest.approx([math.log(0.9)] * 3, rel=1e-5)


@pytest.mark.parametrize("name", cells.names())
def test_all_that_is_looked_at_is_there_for_each_cell(name):
    torch.manual_seed(0)
    module = rnnkit.Recurrent(name, 3, 5, 2, bidirectional=True, dropout=0.5)
    model, watch = on(module, torch.randn(9, 3), torch.randn(5, 3))
    before = torch.get_rng_state()
    inside = monitor.look(model, watch)
    again = monitor.look(model, watch)
    assert inside.numbers == again.numbers
    assert torch.equal(torch.get_rng_state(), before)
    cell = module.cell
    for place in ("l0.f", "l0.b", "l1.f", "l1.b"):
        assert {f"hidden/encoder.{place}/rms", f"memory/encoder.{place}/rate"} <= set(inside.numbers)
        gates = {key.split("/")[2] for key in inside.numbers if key.startswith(f"gate/encoder.{place}/")}
        assert gates == set(cell.gates) - set(cell.candidates)
        sensitive = {gate for gate in gates if f"gate/encoder.{place}/{gate}/sensitivity" in inside.numbers}
        assert sensitive == gates - set(cell.unsaturated)
        assert (f"hidden/encoder.{place}/saturated" in inside.numbers) == cell.bounded
        assert (f"timescale/encoder.{place}" in inside.curves) == bool(cell.keeps)
    pictures = monitor.portrait(model, watch)
    assert all(torch.as_tensor(curve).double().isfinite().all() for curve in pictures.values())
    groups = norms.parameter_groups(model)
    assert sum(len(group) for group in groups.values()) == len(list(model.parameters()))
    assert "encoder.l1.b/ih" in groups
    blocks = norms.gate_blocks(model)
    assert {key.rpartition("/")[2] for key in blocks} == (set(cell.gates) if cell.recurrent else set())


def test_zoneout_is_looked_at_as_in_evaluation():
    module, x = made("lstm", 3, 4, zoneout=0.3), torch.randn(6, 1, 3).double()
    model, watch = on(module, x[:, 0])
    ((found, inputs, initial),) = probe.layer_inputs(model, watch.run).values()
    seen = monitor.seen(found, inputs, initial)["l0.f"]
    torch.testing.assert_close(seen.hidden.data, module.eval()(x)[0][:, 0].detach(), rtol=1e-12, atol=1e-12)


class Peephole(rnnkit.LSTM):
    """An LSTM with other equations, written by hand over the old ones."""

    def forward(self, input, hx=None):
        return super().forward(input * 2, hx)


class Own(nn.GRU):
    """The same of torch.nn's."""


@pytest.mark.parametrize("kind", [Peephole, Own])
def test_a_class_with_equations_of_its_own_is_refused_in_a_line(kind):
    module = kind(2, 3)
    model, watch = on(module, torch.randn(4, 2))
    said = (
        f"{kind.__name__} is a class of its own, made from {kind.__mro__[1].__name__}, and its equations are not known"
    )
    for look in (
        lambda: monitor.look(model, watch),
        lambda: dynamics.jacobians(module, [torch.zeros(1, 2)] + [torch.zeros(1, 3)] * 2),
        lambda: dynamics.lyapunov_exponents(module, torch.zeros(3, 2), 1),
    ):
        with pytest.raises(UserError) as error:
            look()
        assert str(error.value).startswith(said)
        assert "\n" not in str(error.value)
