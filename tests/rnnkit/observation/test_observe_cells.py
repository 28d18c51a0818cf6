"""What is seen of layers of any cell: gates, states and total gradients of a loop with autograd; and nobody notices."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import unpack_sequence

import rnnkit
from rnnkit.core.errors import UserError
from rnnkit.nn import cells, watch
from tests.rnnkit.nn.cells.references import made, packed, run
from tests.rnnkit.nn.test_recurrent import close, sequences_of, weighed


def rows(seen, letter):
    """Of each sequence the tensors that stand for its steps."""
    return [torch.stack(steps) for steps in letter(seen)]


def loss(output, finals):
    return weighed([*output, *finals])


def assert_seen(module, given, outputs, seen, trace, finals, shown):
    """Compare a trace with what a loop saw; `seen` are the loop's states and gates by sequence and place."""
    places = list(map(str, module.places))
    states = [step[letter] for one in seen for p in places for step in one[p][0] for letter in shown]
    total = torch.autograd.grad(loss(outputs, [finals[s] for s in shown]), states, allow_unused=True)
    gradients = iter(torch.zeros_like(s) if g is None else g for s, g in zip(states, total, strict=True))
    for b, one in enumerate(seen):
        for place in places:
            layer = trace["model"][place]
            length = len(one[place][0])
            found = [[next(gradients) for _ in shown] for _ in range(length)]
            for i, letter in enumerate(shown):
                close(
                    unpack_sequence(layer.states[letter])[b],
                    torch.stack([step[letter] for step in one[place][0]]).detach(),
                )
                close(unpack_sequence(layer.state_gradients[letter])[b], torch.stack([step[i] for step in found]))
            for gate in one[place][1][0]:
                expected = torch.stack([gates[gate] for gates in one[place][1]]).detach()
                close(unpack_sequence(layer.gates[gate])[b], expected)
    close(trace["model"]["l0.f"].hidden.data, trace["model"]["l0.f"].states["h"].data)
    del given


@pytest.mark.parametrize("name", cells.names())
def test_gates_states_and_total_gradients_are_those_of_a_loop(name):
    module, sequences = made(name, 3, 4, 2, bidirectional=True), sequences_of([3, 5, 1])
    shown = module.cell.states if name != "slstm" else "h"  # the reference has other c and n, and the same h
    with rnnkit.observe(module) as trace:
        output, final = module(packed(sequences))
        final = final if isinstance(final, tuple) else (final,)
        loss(unpack_sequence(output), final[: len(shown)]).backward()
    seen, outputs, finals = run(module, sequences)
    assert_seen(module, sequences, outputs, seen, trace, finals, shown)
    initial = trace["model"]["l1.b"].initial_gradient
    zeros = {s: torch.zeros(4, 3, 4, dtype=torch.float64).requires_grad_() for s in module.cell.states}
    _, outputs, finals = run(module, sequences, zeros)
    (expected,) = torch.autograd.grad(loss(outputs, [finals[s] for s in shown]), [zeros["h"]], allow_unused=True)
    close(initial, torch.zeros_like(initial) if expected is None else expected[3])


@pytest.mark.parametrize("name", ["gru", "lnlstm"])
def test_what_was_dropped_is_seen_as_it_was(name):
    """Recurrent dropout, weight drop and dropout between layers together."""
    options = {"recurrent_dropout": 0.3, "weight_drop": 0.3, "dropout": 0.3}
    module, sequences = made(name, 3, 5, 2, **options), sequences_of([3, 5, 1])
    calls = []
    watching = watch(module, calls.append)
    with rnnkit.observe(module) as trace:
        output, _ = module(packed(sequences))
        weighed(unpack_sequence(output)).backward()
    watching.end()
    order, told = output.unsorted_indices, calls[0].told
    plain = made(name, 3, 5, 2)
    plain.cell = module.cell
    dropped = [work.weights for work in told.work]
    plain.parameters_of = lambda place: dropped[place.layer]
    kept = packed([s.detach() for s in sequences])._replace(data=told.kept[0])
    factors = unpack_sequence(kept)
    masks = [work.masks.read[order] for work in told.work]

    outputs, states = [], []
    for b, x in enumerate(sequences):
        from tests.rnnkit.nn.cells.references import STEPS, layer

        zeros = {letter: x.new_zeros(5) for letter in module.cell.states}
        below, _, _ = layer(STEPS[name], dropped[0], x, zeros, read_mask=masks[0][b])
        h = torch.stack([s["h"] for s in below]) * factors[b]
        above, gates, _ = layer(STEPS[name], dropped[1], h, zeros, read_mask=masks[1][b])
        outputs.append(torch.stack([s["h"] for s in above]))
        states += [s["h"] for s in below]
        for gate in gates[0]:
            close(
                unpack_sequence(trace["model"]["l1.f"].gates[gate])[b], torch.stack([g[gate] for g in gates]).detach()
            )
    for a, b in zip(unpack_sequence(output), outputs, strict=True):
        close(a, b)
    total = torch.autograd.grad(weighed(outputs), states)
    close(torch.cat(unpack_sequence(trace["model"]["l0.f"].hidden_gradient)), torch.stack(total))


@pytest.mark.parametrize("training", [True, False])
def test_gradients_pass_through_what_stayed(training):
    """Zoneout: a perturbation of each state, by finite differences of the same call."""
    module, x = made("lstm", 3, 3, zoneout=0.4).train(training), torch.randn(4, 1, 3, dtype=torch.float64)
    with rnnkit.observe(module) as trace:
        torch.manual_seed(1)
        h_0 = torch.zeros(1, 1, 3, dtype=torch.float64, requires_grad=True)
        c_0 = torch.zeros(1, 1, 3, dtype=torch.float64, requires_grad=True)
        output, _ = module(x, (h_0, c_0))
        output.square().sum().backward()
    seen = trace["model"]["l0.f"]
    close(seen.initial_gradient, h_0.grad[0])
    close(seen.initial_cell_gradient, c_0.grad[0])


@pytest.mark.parametrize("name", ["peephole", "mingru", "slstm"])
def test_nobody_notices(name):
    results = []
    for observed in (False, True):
        module, x = made(name, 3, 4, 2, dropout=0.3), packed(sequences_of([3, 5, 1]))
        torch.manual_seed(4)
        if observed:
            with rnnkit.observe(module):
                output, _ = module(x)
                output.data.sum().backward()
        else:
            output, _ = module(x)
            output.data.sum().backward()
        results.append([output.data, *(p.grad for p in module.parameters()), torch.get_rng_state()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_padded_and_unbatched_calls_are_seen_too():
    module, (x,) = made("peephole", 3, 4, bidirectional=True), sequences_of([6])
    found = []
    for given in (packed([x]), x.unsqueeze(1), x):
        with rnnkit.observe(module) as trace:
            output, _ = module(given)
            (output.data if hasattr(output, "batch_sizes") else output).square().sum().backward()
        found.append(trace["model"]["l0.b"])
    for other in found[1:]:
        close(other.hidden_gradient.data, found[0].hidden_gradient.data)
        close(other.gates["o"].data, found[0].gates["o"].data)


class Changed(rnnkit.Recurrent):
    """A subclass, which could compute anything."""


def test_a_class_made_from_layers_of_any_cell_is_refused():
    with pytest.raises(UserError, match="model cannot be observed: Changed is a class of its own, made from Recurrent"):
        rnnkit.observe(Changed("lstm", 3, 4)).__enter__()
    with pytest.raises(UserError, match=r"Net has no recurrent module \(RNN, GRU, LSTM or Recurrent\)"):
        rnnkit.observe(type("Net", (nn.Module,), {})()).__enter__()
