"""Our layers against torch.nn's and against the cell loop: values, all gradients, forms."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from rnnkit.nn import cells
from rnnkit.nn.kernels import stack
from rnnkit.nn.kernels.stack import CHUNK_BYTES
from tests.rnnkit.nn.pairs import KINDS, SATURATED, assert_alike, assert_close, leaves, packed_batch, pair, states_for


@st.composite
def problems(draw):
    """A layer of any kind and size, a packed batch for it in any order, what the loss looks at."""
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
    }
    if options["num_layers"] > 1:
        options["dropout"] = draw(st.sampled_from([0.0, 0.3]))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    # Sums that cancel differ, in float32, by what the order of their terms gives: small chunks are held to float64.
    chunks = [CHUNK_BYTES] if dtype == torch.float32 else [1, 400, 2_000, CHUNK_BYTES]
    return {
        "kind": draw(st.sampled_from(list(KINDS))),
        "sizes": (draw(st.integers(1, 9)), draw(st.integers(1, 9))),
        "lengths": draw(st.lists(st.integers(1, 12), min_size=1, max_size=8)),
        "dtype": dtype,
        "with_state": draw(st.booleans()),
        "looks_at": draw(st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)])),
        "seed": draw(st.integers(0, 5)),
        "chunk_bytes": draw(st.sampled_from(chunks)),
        "options": options,
    }


@settings(max_examples=250)
@example({**SATURATED, "options": {"num_layers": 2, "bidirectional": False}})
@example({**SATURATED, "options": {"num_layers": 2, "bidirectional": True}})
@given(problems())
def test_packed_sequences_as_torch_does_them(problem):
    ours, theirs = pair(
        problem["kind"], *problem["sizes"], dtype=problem["dtype"], seed=problem["seed"], **problem["options"]
    )
    packed = packed_batch(problem["lengths"], problem["sizes"][0], problem["dtype"])
    state = states_for(ours, len(problem["lengths"]), problem["dtype"]) if problem["with_state"] else None
    looks_at = problem["looks_at"] if isinstance(ours, nn.LSTM) or problem["looks_at"] != (0, 0, 1) else (1, 1, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "CHUNK_BYTES", problem["chunk_bytes"])  # so few that there are several chunks
        assert_alike((ours, theirs), packed, state, looks_at, problem["dtype"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("with_state", [False, True])
def test_padded_and_unbatched_inputs_as_torch_does_them(kind, dtype, batch_first, with_state):
    layers = pair(kind, 4, 5, dtype=dtype, num_layers=2, bidirectional=True, batch_first=batch_first)
    ours = layers[0]
    x = torch.randn(3, 6, 4, dtype=dtype).requires_grad_()
    state = states_for(ours, 3 if batch_first else 6, dtype) if with_state else None
    assert_alike(layers, x, state, (1, 1, 1), dtype)
    single = torch.randn(6, 4, dtype=dtype).requires_grad_()
    if with_state:
        one = tuple(torch.randn(4, 5, dtype=dtype).requires_grad_() for _ in range(2))
        state = one if isinstance(ours, nn.LSTM) else one[0]
    assert_alike(layers, single, state, (1, 1, 1), dtype)


@pytest.mark.parametrize(
    ("kind", "cell"), [("RNN", cells.rnn_cell), ("GRU", cells.gru_cell), ("LSTM", cells.lstm_cell)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_ragged_batch_as_the_equations_say(kind, cell, dtype):
    """Each sequence by itself through the cell loop, forward, and backward on the reversed sequence."""
    layer, _ = pair(kind, 3, 4, dtype=dtype, bidirectional=True)
    sequences = [torch.randn(n, 3, dtype=dtype) for n in (5, 1, 7, 3)]
    output, final = layer(pack_sequence(sequences, enforce_sorted=False))
    weights = list(layer.parameters())
    unpacked, lengths = nn.utils.rnn.pad_packed_sequence(output)
    zero = torch.zeros(1, 4, dtype=dtype)
    start = (zero, zero) if kind == "LSTM" else zero
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    for i, sequence in enumerate(sequences):
        forward, _ = cells.unroll(cell, sequence.unsqueeze(1), start, *weights[:4])
        backward, last = cells.unroll(cell, sequence.flip(0).unsqueeze(1), start, *weights[4:])
        expected = torch.cat([forward[:, 0], backward[:, 0].flip(0)], dim=1)
        torch.testing.assert_close(unpacked[: lengths[i], i], expected, rtol=0, atol=tolerance)
        for state, by_hand in zip(leaves(final), leaves(last), strict=True):
            torch.testing.assert_close(state[1, i], by_hand[0], rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients_by_finite_differences_once_and_twice(kind, bidirectional):
    layer, _ = pair(kind, 2, 3, dtype=torch.float64, num_layers=2, bidirectional=bidirectional)
    packed = packed_batch([2, 1, 3], 2, torch.float64)
    state = states_for(layer, 3, torch.float64)
    parameters = list(layer.parameters())

    def function(data, *others):
        names = dict(zip((n for n, _ in layer.named_parameters()), others[len(leaves(state)) :], strict=True))
        hx = others[: len(leaves(state))]
        output, final = torch.func.functional_call(
            layer, names, (packed._replace(data=data), hx if isinstance(layer, nn.LSTM) else hx[0])
        )
        return output.data, *leaves(final)

    inputs = (packed.data, *leaves(state), *parameters)
    assert torch.autograd.gradcheck(function, inputs)
    if not bidirectional and kind != "ReLU":
        assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_are_torchs(kind):
    found = []
    for layer in pair(kind, 3, 4, dtype=torch.float64, bidirectional=True):
        packed = packed_batch([4, 2, 1], 3, torch.float64)
        torch.manual_seed(0)
        with torch.no_grad():
            packed.data.normal_()
        output, _ = layer(packed)
        (gradient,) = torch.autograd.grad(output.data.pow(3).sum(), packed.data, create_graph=True)
        gradient.pow(2).sum().backward()
        found.append([packed.data.grad, *(p.grad for p in layer.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_sequence_in_pieces_with_its_state_carried_is_the_whole(kind):
    layer, _ = pair(kind, 3, 4, dtype=torch.float64, num_layers=2)
    x = torch.randn(12, 2, 3, dtype=torch.float64)
    whole, last = layer(x)
    pieces, state = [], None
    for piece in x.split(5):
        output, state = layer(piece, state)
        pieces.append(output)
    torch.testing.assert_close(torch.cat(pieces), whole, rtol=0, atol=1e-14)
    for a, b in zip(leaves(state), leaves(last), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_every_sequence_of_a_batch_gets_its_gradient(kind):
    """Also those shorter than the longest, through their final state alone."""
    layer, _ = pair(kind, 3, 4, bidirectional=True)
    packed = packed_batch([6, 1, 3, 2], 3, torch.float32)
    _, final = layer(packed)
    leaves(final)[0].sum().backward()
    padded, lengths = nn.utils.rnn.pad_packed_sequence(packed._replace(data=packed.data.grad))
    for i, length in enumerate(lengths):
        assert (padded[:length, i].abs().sum(1) > 0).all()


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_step_alone_gets_what_it_gets_in_company(kind):
    """Batch-invariance: neither values nor gradients of a sequence depend on what it is batched with."""
    layer, _ = pair(kind, 3, 4, dtype=torch.float64, num_layers=2, bidirectional=True)
    sequences = [torch.randn(n, 3, dtype=torch.float64) for n in (5, 2, 7)]
    alone, together = sequences[1].clone().requires_grad_(), sequences[1].clone().requires_grad_()
    layer(pack_sequence([alone]))[0].data.square().sum().backward()
    output, _ = layer(pack_sequence([sequences[0], together, sequences[2]], enforce_sorted=False))
    padded, _ = nn.utils.rnn.pad_packed_sequence(output)
    padded[:2, 1].square().sum().backward()
    torch.testing.assert_close(alone.grad, together.grad, rtol=1e-12, atol=1e-14)


def test_dropout_is_off_in_evaluation_and_drawn_as_torch_draws_it():
    ours, theirs = pair("GRU", 3, 4, num_layers=3, dropout=0.5)
    packed = pack_sequence([torch.randn(n, 3) for n in (5, 2)])
    ours.eval()
    assert torch.equal(ours(packed)[0].data, ours(packed)[0].data)
    ours.train()
    torch.manual_seed(5)
    first = ours(packed)[0].data
    after = torch.get_rng_state()
    torch.manual_seed(5)
    torch.testing.assert_close(first, theirs(packed)[0].data, rtol=0, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), after)


def test_two_backward_passes_through_one_graph_give_the_same():
    for kind in KINDS:
        layer, _ = pair(kind, 3, 4, bidirectional=True)
        packed = packed_batch([5, 2, 3], 3, torch.float32)
        output, _ = layer(packed)
        first = torch.autograd.grad(output.data.sum(), packed.data, retain_graph=True)[0]
        assert torch.equal(first, torch.autograd.grad(output.data.sum(), packed.data)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_parameters_and_inputs_get_no_gradient_and_change_nothing(kind):
    layer, _ = pair(kind, 3, 4, num_layers=2, bidirectional=True)
    packed = packed_batch([5, 2, 3], 3, torch.float32)
    layer(packed)[0].data.square().sum().backward()
    expected = {name: p.grad.clone() for name, p in layer.named_parameters()}
    for frozen in ("weight_ih_l0", "bias_hh_l1", "weight_hh_l0_reverse"):
        layer.zero_grad()
        parameter = layer.get_parameter(frozen).requires_grad_(False)
        layer(packed._replace(data=packed.data.detach()))[0].data.square().sum().backward()
        assert parameter.grad is None
        for name, p in layer.named_parameters():
            if name != frozen:
                torch.testing.assert_close(p.grad, expected[name], rtol=1e-5, atol=1e-6)
        parameter.requires_grad_()


LAYOUTS = {
    "expanded": lambda shape: torch.linspace(-1, 1, shape[-1]).expand(shape),
    "every other": lambda shape: torch.randn(*shape[:-1], 2 * shape[-1])[..., ::2],
    "half of a wider one": lambda shape: torch.randn(*shape[:-1], 2 * shape[-1])[..., : shape[-1]],
    "transposed": lambda shape: torch.randn(*shape[::-1]).permute(2, 1, 0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_initial_states_in_any_layout(kind, layout):
    torch.manual_seed(0)
    state = LAYOUTS[layout]((1, 5, 6))
    state = (state, state) if kind == "LSTM" else state
    packed = packed_batch([30, 17, 17, 5, 1], 3, torch.float32)
    found = []
    for layer in pair(kind, 3, 6):
        layer.zero_grad()
        packed.data.grad = None
        output, final = layer(packed, state)
        (output.data.sum() + leaves(final)[-1].square().sum()).backward()
        found.append(([output.data, *leaves(final)], [packed.data.grad, *(p.grad for p in layer.parameters())]))
    assert_close(*found, torch.float32)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_second_derivatives_where_one_input_comes_from_another(kind):
    found = []
    for layer in pair(kind, 4, 4, dtype=torch.float64):
        packed = packed_batch([5, 3, 2], 4, torch.float64)
        with torch.no_grad():
            packed.data.copy_(torch.linspace(-1, 1, packed.data.numel()).view_as(packed.data))
        state = torch.tanh(packed.data[:3]).unsqueeze(0)
        output, _ = layer(packed, (state, state) if kind == "LSTM" else state)
        loss = output.data.square().sum()
        found.append(torch.autograd.grad(loss, [packed.data, *layer.parameters()], create_graph=True))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_may_be_changed_in_place_before_the_backward(kind, dtype):
    found = []
    packed = packed_batch([5, 3, 2], 3, dtype)
    for layer in pair(kind, 3, 4, dtype=dtype):
        output, final = layer(packed)
        output.data.mul_(2)
        leaves(final)[0].mul_(3)
        packed.data.grad = None
        (output.data.sum() + leaves(final)[0].sum()).backward()
        found.append(packed.data.grad)
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("change", [2e4, -2e4])
def test_large_biases_do_not_open_the_padding(change):
    """Final cell states are carried through padding, which no bias of the layer's own may disturb."""
    packed = packed_batch([30, 20, 14, 3, 1], 3, torch.float32)
    for gate in (slice(0, 4), slice(4, 8)):
        found = []
        for layer in pair("LSTM", 3, 4):
            with torch.no_grad():
                layer.bias_ih_l0[gate] = change
            found.append(layer(packed)[1][1])
        torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


def test_nan_in_a_last_step_lets_gradients_through_relu_as_torch_does():
    found = []
    packed = packed_batch([15, 9, 2], 3, torch.float32)
    with torch.no_grad():
        packed.data[-1, 0] = float("nan")
    for layer in pair("ReLU", 3, 6):
        packed.data.grad = None
        layer(packed)[1].sum().backward()
        found.append(packed.data.grad)
    assert found[1][-1].abs().sum() > 0
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6, equal_nan=True)
