"""Layers of any cell beside a loop over single sequences with autograd, and beside torch.nn's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, unpack_sequence

import rnnkit
from rnnkit.nn import cells, registry, watch
from rnnkit.nn.kernels import dropout
from tests.rnnkit.nn.cells.references import STEPS, made, packed, run


def close(found, expected, tolerance=1e-10):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def sequences_of(lengths, inputs=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, inputs, dtype=torch.float64, generator=generator).requires_grad_() for n in lengths]


def weighed(tensors):
    """A loss that weighs each number with one of its own."""
    generator = torch.Generator().manual_seed(2)
    return sum((t * torch.randn(t.shape, dtype=t.dtype, generator=generator)).sum() for t in tensors)


def test_all_cells_have_a_reference():
    assert sorted(STEPS) == cells.names()


@pytest.mark.parametrize("name", cells.names())
@pytest.mark.parametrize(("layers", "both", "lengths"), [(1, False, [4, 1, 6]), (2, True, [3, 5, 1, 5])])
def test_values_and_all_gradients_are_those_of_a_loop(name, layers, both, lengths):
    module = made(name, 3, 4, layers, bidirectional=both)
    sequences, letters = sequences_of(lengths), module.cell.states
    size = len(module.places), len(lengths), 4
    torch.manual_seed(3)
    first = {letter: torch.rand(size, dtype=torch.float64).add(0.1).requires_grad_() for letter in letters}
    given = tuple(first.values())
    output, final = module(packed(sequences), given if len(given) > 1 else given[0])
    final = final if isinstance(final, tuple) else (final,)
    _, outputs, finals = run(module, sequences, first)
    for a, b in zip(unpack_sequence(output), outputs, strict=True):
        close(a, b)
    shown = letters if name != "slstm" else "h"  # the reference has other c and n, and the same h
    for letter, state in zip(letters, final, strict=True):
        if letter in shown:
            close(state, finals[letter])
    learning = [state for letter, state in first.items() if (name, letter) != ("slstm", "m")]  # a scale has no gradient
    leaves = [*sequences, *learning, *module.parameters()]
    ours = torch.autograd.grad(weighed([*unpack_sequence(output), *final[: len(shown)]]), leaves, allow_unused=True)
    theirs = torch.autograd.grad(weighed([*outputs, *(finals[s] for s in shown)]), leaves, allow_unused=True)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            close(a, b)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["peephole", "mingru", "lru"]),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    both=st.booleans(),
    layers=st.integers(1, 2),
    hidden=st.integers(1, 3),
)
def test_batches_of_any_lengths(name, lengths, both, layers, hidden):
    module, sequences = made(name, 3, hidden, layers, bidirectional=both), sequences_of(lengths)
    output, _ = module(packed(sequences))
    _, outputs, _ = run(module, sequences)
    for a, b in zip(unpack_sequence(output), outputs, strict=True):
        close(a, b)


@pytest.mark.parametrize(("name", "kind"), [("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)])
def test_the_cells_of_torch_are_its_layers(name, kind):
    """The same state_dict, the same dropout between layers from the same seed."""
    ours = made(name, 3, 4, 3, bidirectional=True, dropout=0.4)
    theirs = kind(3, 4, 3, bidirectional=True, dropout=0.4, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict())
    x = packed(sequences_of([5, 2, 4]))
    results = []
    for module in (ours, theirs):
        torch.manual_seed(5)
        output, final = module(x)
        results.append([output.data, *(final if isinstance(final, tuple) else (final,))])
    for a, b in zip(*results, strict=True):
        close(a, b, 1e-12)
    started = []
    for make in (lambda: rnnkit.Recurrent(name, 3, 4, 2), lambda: kind(3, 4, 2)):
        torch.manual_seed(6)
        started.append(make().state_dict())
    assert all(torch.equal(started[0][key], started[1][key]) for key in started[1])


@pytest.mark.parametrize("name", ["lnlstm", "mingru", "lru"])
def test_padded_and_unbatched_inputs_are_packed_ones_of_one_length(name):
    module = made(name, 3, 4, 2, bidirectional=True)
    sequences = sequences_of([4, 4])
    output, final = module(packed(sequences))
    expected = torch.stack(unpack_sequence(output), dim=1)
    steps = torch.stack(sequences, dim=1)
    close(module(steps)[0], expected, 1e-12)
    alone, last = module(sequences[1])
    close(alone, expected[:, 1], 1e-12)
    whole = final if isinstance(final, tuple) else (final,)
    for a, b in zip(last if isinstance(last, tuple) else (last,), whole, strict=True):
        close(a, b[:, 1], 1e-12)
    first = made(name, 3, 4, 2, bidirectional=True, batch_first=True)
    close(first(steps.transpose(0, 1))[0], expected.transpose(0, 1), 1e-12)


@pytest.mark.parametrize("name", cells.names())
def test_gradients_can_be_differentiated_again(name):
    module = made(name, 2, 2)
    sizes = [2, 2, 1]
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)

    def run_(x):
        output, _ = module(PackedSequence(x, torch.tensor(sizes)))
        return output.data

    assert torch.autograd.gradgradcheck(run_, (x,))


def work_of(module, *given):
    """What a call did, as those who watch are told."""
    calls = []
    watching = watch(module, calls.append)
    result = module(*given)
    watching.end()
    return result, calls[0].told.work


@pytest.mark.parametrize("name", [name for name in cells.names() if cells.named(name).recurrent])
def test_recurrent_dropout_drops_the_same_units_at_all_steps_and_none_in_evaluation(name):
    module, sequences = made(name, 3, 40, bidirectional=True, recurrent_dropout=0.25), sequences_of([5, 3, 6])
    x = packed(sequences)
    (output, _), works = work_of(module, x)
    masks = [work.masks.read[x.unsorted_indices] for work in works]
    for mask in masks:
        assert set(mask.unique().tolist()) == {0.0, 1 / 0.75}
        assert 0.1 < (mask == 0).double().mean() < 0.4
        assert not torch.equal(mask[0], mask[1])
    _, outputs, _ = run(module, sequences, read_masks=masks)
    for a, b in zip(unpack_sequence(output), outputs, strict=True):
        close(a, b)
    plain = made(name, 3, 40, bidirectional=True)
    assert torch.equal(module.eval()(x)[0].data, plain.eval()(x)[0].data)


def test_weight_drop_drops_recurrent_weights_for_a_call_and_none_in_evaluation():
    module, x = made("peephole", 3, 16, 2, weight_drop=0.5), packed(sequences_of([5, 3, 6]))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    (output, _), works = work_of(module, x)
    output.data.sum().backward()
    for place, work in zip(module.places, works, strict=True):
        whole = module.parameters_of(place)
        dropped = work.weights["weight_hh"] == 0
        assert 0.4 < dropped.double().mean() < 0.6
        assert torch.equal(work.weights["weight_hh"][~dropped], 2 * whole["weight_hh"][~dropped])
        assert (whole["weight_hh"].grad[dropped] == 0).all()
        assert all(work.weights[name] is value for name, value in whole.items() if name != "weight_hh")
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    again, _ = module(x)
    assert not torch.equal(again.data, output.data)
    plain = made("peephole", 3, 16, 2)
    assert torch.equal(module.eval()(x)[0].data, plain(x)[0].data)


@pytest.mark.parametrize("name", ["rnn", "lstm", "lngru", "mingru"])
def test_zoneout_keeps_units_as_they_were_and_takes_the_mean_in_evaluation(name):
    module, x = made(name, 3, 30, zoneout=0.3), torch.randn(8, 1, 3, dtype=torch.float64)
    cell, w = module.cell, module.parameters_of(module.places[0])
    _, (work,) = work_of(module, x)
    for t in range(8):
        old = tuple(s[t - 1 : t] if t else s_0 for s, s_0 in zip(work.states, work.initial, strict=True))
        new, _ = cell.advance(w, cell.inputs(w, x[t]), old[0], old)
        for before, drawn, now in zip(old, new, work.states, strict=True):
            stays = now[t] == before[0]
            close(now[t], torch.where(stays, before[0], drawn[0]), 1e-12)
            if t:
                assert 0 < stays.sum() < 30
    shares = [stay.mean().item() for stay in work.masks.stays]
    assert all(0.2 < share < 0.4 for share in shares)

    output, _ = module.eval()(x)
    state = tuple(x.new_zeros(1, 30) for _ in cell.states)
    for t in range(8):
        new, _ = cell.advance(w, cell.inputs(w, x[t]), state[0], state)
        state = tuple(0.3 * s + 0.7 * n for s, n in zip(state, new, strict=True))
        close(output[t], state[0], 1e-12)


def test_dropout_between_layers_scales_what_the_next_one_reads():
    module, x = made("peephole", 3, 50, 2, dropout=0.2), packed(sequences_of([5, 3]))
    _, (lower, upper) = work_of(module, x)
    factor = upper.x / lower.states[0]
    assert ((factor.abs() < 1e-12) | ((factor - 1.25).abs() < 1e-12)).all()
    assert 0.1 < (factor.abs() < 1e-12).double().mean() < 0.3


def test_all_that_is_dropped_is_drawn_as_torch_draws_it(monkeypatch):
    shares = {"dropout": 0.3, "recurrent_dropout": 0.2, "weight_drop": 0.4}
    module, x = made("peephole", 3, 8, 3, **shares), packed(sequences_of([5, 3]))
    found = []
    for _ in range(2):
        torch.manual_seed(9)
        found.append((module(x)[0].data, torch.get_rng_state()))
        monkeypatch.setattr(dropout, "kernel", lambda: None)
    assert all(map(torch.equal, *found))


def test_parameters_are_named_as_torchs():
    names = [name for name, _ in rnnkit.Recurrent("peephole", 3, 4, 2, bidirectional=True).named_parameters()]
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "peephole")
    assert names == [f"{kind}_{place}" for place in ("l0", "l0_reverse", "l1", "l1_reverse") for kind in kinds]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cell": "mingru", "recurrent_dropout": 0.1}, "mingru has no recurrent weights"),
        ({"cell": "mingru", "weight_drop": 0.1}, "mingru has no recurrent weights"),
        ({"cell": "slstm", "zoneout": 0.1}, "those of slstm go together"),
        ({"dropout": 1.5}, "dropout is a share, from 0 to 1, not 1.5"),
        *(({name: True}, f"^{name} is a share, from 0 to 1, not True") for name in ("dropout", *registry.IN_TIME)),
        ({"zoneout": "0.1"}, "zoneout is a share, from 0 to 1, not '0.1'"),
        ({"num_layers": 0}, "must be at least 1"),
    ],
)
def test_what_cannot_be_made_says_why(options, said):
    with pytest.raises(ValueError, match=said):
        rnnkit.Recurrent(**{"cell": "lstm", "input_size": 3, "hidden_size": 4, **options})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((torch.zeros(5, 2, 4),), "4 features a step, not 3"),
        ((torch.zeros(5),), "not \\(5,\\)"),
        (("x",), "not str"),
        ((torch.zeros(5, 2, 3), torch.zeros(1, 2, 5)), "h of shape \\(1, 2, 5\\) each, not"),
        ((torch.zeros(5, 2, 3), (torch.zeros(1, 2, 5),) * 2), "not \\(1, 2, 5\\), \\(1, 2, 5\\)"),
    ],
)
def test_what_cannot_be_read_says_why(given, said):
    module = rnnkit.Recurrent("lngru", 3, 5)
    if "each" in said:
        said, given = "the initial state is h of shape \\(1, 2, 5\\) each", (given[0], torch.zeros(1, 1, 5))
    with pytest.raises(ValueError, match=said):
        module(*given)


def test_autocast_and_half_precision_run():
    x = packed([torch.randn(4, 3), torch.randn(2, 3)])
    for name in ("lstm", "lnlstm", "mingru"):
        module = rnnkit.Recurrent(name, 3, 4)
        whole = module(x)[0].data
        with torch.autocast("cpu", torch.bfloat16):
            output, last = module(x)
            module(x._replace(data=x.data.bfloat16()), last)  # a state of another type than the input's goes on
        torch.testing.assert_close(output.data.float(), whole, rtol=0.05, atol=0.05)
        half = module.bfloat16()(x._replace(data=x.data.bfloat16()))[0].data
        torch.testing.assert_close(half.float(), whole, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", cells.names())
def test_input_and_state_of_another_type_are_refused_as_torch_does(name):
    module, x = rnnkit.Recurrent(name, 3, 4, dtype=torch.float64), torch.zeros(5, 2, 3, dtype=torch.float64)
    state = (torch.zeros(1, 2, 4),) * len(module.cell.states)
    with pytest.raises(ValueError, match="input is of torch.float64, and the initial state of torch.float32"):
        module(x, state)
    with pytest.raises(ValueError, match="input is of torch.float32, and these layers of torch.float64"):
        module(x.float())


@pytest.mark.parametrize("sizes", [(3.0, 4, 1), (3, "4", 1), (3, 4, True)])
def test_sizes_are_whole_numbers(sizes):
    with pytest.raises(TypeError, match="is a whole number, not"):
        rnnkit.Recurrent("lstm", *sizes)


def test_a_state_without_tensors_is_refused():
    with pytest.raises(TypeError, match="made of tensors, one for each of h, c"):
        rnnkit.Recurrent("lstm", 3, 4)(torch.zeros(5, 2, 3), (None, None))
