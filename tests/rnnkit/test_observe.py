"""What is seen of a layer against autograd over the equations; that observing changes nothing; every way in and out."""

import gc
import subprocess
import sys
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence, unpack_sequence

import rnnkit
from rnnkit import cells, fused, kernels, models
from rnnkit.errors import UserError
from rnnkit.observe import by_lag, by_time
from rnnkit.sequences import Examples, collate
from tests.helpers import ROOT


KINDS = {
    "RNN": (rnnkit.RNN, cells.rnn_cell, {}),
    "ReLU": (rnnkit.RNN, cells.rnn_cell, {"nonlinearity": "relu"}),
    "GRU": (rnnkit.GRU, cells.gru_cell, {}),
    "LSTM": (rnnkit.LSTM, cells.lstm_cell, {}),
}
SEED = 7  # of dropout


def make(kind, *sizes, dtype=torch.float64, seed=0, **options):
    """A layer with weights a little larger than usual, so that gates differ from one half."""
    torch.manual_seed(seed)
    module = KINDS[kind][0](*sizes, dtype=dtype, **KINDS[kind][2], **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.5)
    return module


def leaves(state):
    return [] if state is None else list(state) if isinstance(state, tuple) else [state]


def packed_list(sequences):
    return pack_sequence(sequences, enforce_sorted=False)


def state_for(module, batch):
    shape = module.num_layers * (2 if module.bidirectional else 1), batch, module.hidden_size
    states = tuple(torch.randn(shape, dtype=module.weight_ih_l0.dtype).requires_grad_() for _ in range(2))
    return states if module.mode == "LSTM" else states[0]


def loss_of(output, final, looks_at=(1, 1, 1)):
    """A loss that weighs each number of (output rows, final states, final cells) with one of its own."""
    generator = torch.Generator().manual_seed(1)
    loss = 0.0
    for tensor, wanted in zip([output, *final], looks_at, strict=False):
        weight = torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype)
        loss = loss + (tensor * weight).sum() * wanted
    return loss


def by_equations(module, sequences, state):
    """The module as a loop over `rnnkit.cells`, sequence by sequence, every state a node that keeps its gradient.

    Returns for each layer and direction (hidden, cell) states as lists of sequences of nodes; packed output rows, and
    final states. Dropout draws for the packed rows of a layer, as torch and our layers do.
    """
    mode, directions = module.mode, 2 if module.bidirectional else 1
    cell = {"LSTM": cells.lstm_cell, "GRU": cells.gru_cell}.get(mode, cells.rnn_cell)
    options = {"activation": torch.relu} if mode == "RNN_RELU" else {}
    nodes, finals = [], []
    for layer in range(module.num_layers):
        both = []
        for direction in range(directions):
            names = [f"{part}_l{layer}{'_reverse' * direction}" for part in ("weight_ih", "weight_hh")]
            weights = [getattr(module, name) for name in names]
            biases = [name.replace("weight", "bias") for name in names]
            zero = weights[0].new_zeros(len(weights[0]))
            weights += [getattr(module, name) if module.bias else zero for name in biases]
            hidden, cell_states, ends = [], [], []
            for b, sequence in enumerate(sequences):
                index = layer * directions + direction
                at = [s[index, b : b + 1] for s in leaves(state)]
                at = at or [zero.new_zeros(1, module.hidden_size)] * (2 if mode == "LSTM" else 1)
                steps = range(len(sequence))[:: -1 if direction else 1]
                hs, cs = [None] * len(sequence), [None] * len(sequence)
                for t in steps:
                    found = cell(sequence[t : t + 1], tuple(at) if mode == "LSTM" else at[0], *weights, **options)
                    at = leaves(found)
                    for node in at:
                        node.retain_grad()
                    hs[t], cs[t] = at[0], at[-1]
                hidden.append(hs)
                cell_states.append(cs)
                ends.append(at)
            nodes.append((hidden, cell_states))
            finals.append([torch.cat(parts) for parts in zip(*ends, strict=True)])
            both.append([torch.cat(hs) for hs in hidden])
        output = packed_list([torch.cat(parts, dim=1) for parts in zip(*both, strict=True)])
        if module.training and layer + 1 < module.num_layers:
            output = output._replace(data=nn.functional.dropout(output.data, module.dropout))
        sequences = unpack_sequence(output)
    return nodes, output.data, [torch.stack(parts) for parts in zip(*finals, strict=True)]


def rows(nodes, of):
    """Values or gradients of nodes, by sequence and step, as packed rows."""
    return packed_list([torch.cat([of(node) for node in sequence]) for sequence in nodes]).data.detach()


def gradient(node):
    return torch.zeros_like(node) if node.grad is None else node.grad


def assert_close(found, expected, tolerance):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1e-6)


def gates_give(module, seen, before, cells_before):
    """The hidden states that gates, and the states before, make."""
    gate = {name: packed.data for name, packed in seen.gates.items()}
    if module.mode == "LSTM":
        assert list(gate) == ["i", "f", "g", "o"]
        return gate["o"] * torch.tanh(gate["f"] * cells_before + gate["i"] * gate["g"])
    if module.mode == "GRU":
        assert list(gate) == ["r", "z", "n"]
        return (1 - gate["z"]) * gate["n"] + gate["z"] * before
    assert gate == {}
    return seen.hidden.data


def before_each(nodes, state, index, direction):
    """For each row the state before it, of the loop's nodes."""
    found = []
    for b, sequence in enumerate(nodes):
        first = torch.zeros_like(sequence[0]) if state is None else state[index, b : b + 1].detach()
        states = [node.detach() for node in sequence]
        found.append(torch.cat([*states[1:], first] if direction else [first, *states[:-1]]))
    return packed_list(found).data


def check(module, given, sequences, state, looks_at, value=1e-12, bar=1e-10):
    """Observe one training step on `given`, and compare all that is seen with the equations on `sequences`."""
    tensors = [*leaves(state), *module.parameters()]
    torch.manual_seed(SEED)
    with rnnkit.observe(module) as trace:
        output, final = module(given, state)
        if not isinstance(output, PackedSequence):
            output = output.unsqueeze(1) if output.dim() == 2 else output
            output = packed_list(list((output if module.batch_first else output.transpose(0, 1)).unbind(0)))
        finals = [s.unsqueeze(1) if s.dim() == 2 else s for s in leaves(final)]
        loss_of(output.data, finals, looks_at).backward()
    starts = [s.grad.clone() for s in leaves(state)]
    for tensor in tensors:
        tensor.grad = None
    torch.manual_seed(SEED)
    batched = tuple(s.unsqueeze(1) if s.dim() == 2 else s for s in leaves(state)) or None
    nodes, expected, last = by_equations(module, sequences, batched)
    loss_of(expected, last, looks_at).backward()
    assert_close(output.data, expected, value)  # the same masks
    directions = 2 if module.bidirectional else 1
    names = [f"l{layer}.{d}" for layer in range(module.num_layers) for d in "fb"[:directions]]
    assert list(trace["model"]) == names
    for index, (seen, (hidden, cell)) in enumerate(zip(trace["model"].values(), nodes, strict=True)):
        assert_close(seen.hidden.data, rows(hidden, lambda node: node), value)
        assert_close(seen.hidden_gradient.data, rows(hidden, gradient), bar)
        assert torch.equal(seen.hidden.batch_sizes, output.batch_sizes)
        initial = batched or (None, None)
        before = before_each(hidden, initial[0], index, index % directions)
        cell_before = before_each(cell, initial[-1], index, index % directions)
        assert_close(gates_give(module, seen, before, cell_before), seen.hidden.data, value)
        if module.mode == "LSTM":
            assert_close(seen.cell.data, rows(cell, lambda node: node), value)
            assert_close(seen.cell_gradient.data, rows(cell, gradient), bar)
        else:
            assert seen.cell is seen.cell_gradient is seen.initial_cell_gradient is None
        carried = [seen.initial_gradient, seen.initial_cell_gradient]
        for start, carry in zip(starts, carried, strict=False):
            assert_close(carry, start.view(len(names), -1, start.shape[-1])[index], bar)


@st.composite
def problems(draw):
    """A layer of any kind, a ragged batch in any order, what the loss looks at, which path."""
    depth = draw(st.integers(1, 3))
    options = {"num_layers": depth, "bidirectional": draw(st.booleans()), "bias": draw(st.booleans())}
    if depth > 1:
        options["dropout"] = draw(st.sampled_from([0.0, 0.4]))
    return {
        "kind": draw(st.sampled_from(list(KINDS))),
        "sizes": (draw(st.integers(1, 4)), draw(st.integers(1, 5))),
        "lengths": draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)),
        "with_state": draw(st.booleans()),
        "looks_at": draw(st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 1, 1), (1, 1, 1)])),
        "fewest_steps": draw(st.sampled_from([1, 100])),  # our path, torch's
        "seed": draw(st.integers(0, 5)),
        "options": options,
    }


@settings(max_examples=60, deadline=None)
@given(problems())
def test_ragged_batches_as_autograd_over_the_equations_sees_them(problem):
    module = make(problem["kind"], *problem["sizes"], seed=problem["seed"], **problem["options"])
    sequences = [torch.randn(n, problem["sizes"][0], dtype=torch.float64) for n in problem["lengths"]]
    state = state_for(module, len(sequences)) if problem["with_state"] else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rnnkit.layers, "FEWEST_STEPS", problem["fewest_steps"])
        check(module, packed_list(sequences), sequences, state, problem["looks_at"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["steps first", "batch first", "unbatched"])
@pytest.mark.parametrize("fewest_steps", [1, 100])
def test_padded_and_unbatched_inputs(kind, form, fewest_steps, monkeypatch):
    monkeypatch.setattr(rnnkit.layers, "FEWEST_STEPS", fewest_steps)
    module = make(kind, 3, 4, num_layers=2, bidirectional=True, dropout=0.4, batch_first=form == "batch first")
    x = torch.randn(1 if form == "unbatched" else 3, 5, 3, dtype=torch.float64)
    for with_state in (False, True):
        state = state_for(module, len(x)) if with_state else None
        if with_state and form == "unbatched":
            state = tuple(s.detach()[:, 0].requires_grad_() for s in leaves(state))
            state = state if kind == "LSTM" else state[0]
        given = {"steps first": x.transpose(0, 1), "batch first": x, "unbatched": x[0]}[form]
        check(module, given, list(x), state, (1, 1, 1))


@pytest.mark.parametrize("lengths", [(14, 9, 1), (14, 14, 14), (5, 3, 1)], ids=["segments", "equal", "few steps"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_fused_kernels_in_float32(lengths, bidirectional):
    """Where oneDNN's kernels are: in segments on ragged batches, torch's own on equal lengths; a size apart on each."""
    module = make("LSTM", 3, 4, dtype=torch.float32, num_layers=3, bidirectional=bidirectional, dropout=0.3)
    sequences = [torch.randn(n, 3) for n in lengths]
    check(module, packed_list(sequences), sequences, state_for(module, 3), (1, 1, 1), value=1e-5, bar=1e-4)


def test_an_lstm_with_projected_states():
    """Torch's path: what is carried to the start, through every step and layer, is what autograd gives."""
    module = make("LSTM", 3, 5, proj_size=2, num_layers=2, bidirectional=True, dropout=0.2)
    shapes = (4, 3, 2), (4, 3, 5)
    state = tuple(torch.randn(shape, dtype=torch.float64).requires_grad_() for shape in shapes)
    packed = packed_list([torch.randn(n, 3, dtype=torch.float64) for n in (4, 6, 1)])
    with rnnkit.observe(module) as trace:
        output, final = module(packed, state)
        loss_of(output.data, final).backward()
    for index, seen in enumerate(trace["model"].values()):
        assert_close(seen.initial_gradient, state[0].grad[index], 1e-10)
        assert_close(seen.initial_cell_gradient, state[1].grad[index], 1e-10)
        assert seen.gates["i"].data.shape == (11, 5)
        assert seen.hidden_gradient.data.shape == (11, 2)


# Observing changes nothing.

FORMS = {
    "ragged": lambda dtype: packed_list([torch.randn(n, 3, dtype=dtype) for n in (3, 15, 1)]),
    "equal": lambda dtype: packed_list([torch.randn(13, 3, dtype=dtype) for _ in range(3)]),
    "short": lambda dtype: packed_list([torch.randn(n, 3, dtype=dtype) for n in (3, 5, 1)]),
    "padded": lambda dtype: torch.randn(3, 13, 3, dtype=dtype),
    "padded short": lambda dtype: torch.randn(3, 4, 3, dtype=dtype),
    "unbatched": lambda dtype: torch.randn(13, 3, dtype=dtype),
    "unbatched short": lambda dtype: torch.randn(4, 3, dtype=dtype),
}


def trained(kind, form, dtype, observing):
    """Two optimizer steps: all outputs and gradients on the way, the trained weights, and the random state."""
    module = make(kind, 3, 4, dtype=dtype, num_layers=2, bidirectional=True, dropout=0.5, batch_first=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    bits = []
    for _ in range(2):
        given = FORMS[form](dtype)
        data = given.data if isinstance(given, PackedSequence) else given
        data.requires_grad_()
        state = state_for(module, 3)
        if form.startswith("unbatched"):
            state = tuple(s.detach()[:, 0].requires_grad_() for s in leaves(state))
            state = state if kind == "LSTM" else state[0]
        optimizer.zero_grad()
        if observing:
            with rnnkit.observe(module) as trace:
                output, final = module(given, state)
                rows = output.data if isinstance(output, PackedSequence) else output
                loss_of(rows, leaves(final)).backward()
            for seen in trace["model"].values():
                assert seen.hidden_gradient.data.isfinite().all()
                assert seen.gates.keys() == trace["model"]["l0.f"].gates.keys()
        else:
            output, final = module(given, state)
            rows = output.data if isinstance(output, PackedSequence) else output
            loss_of(rows, leaves(final)).backward()
        optimizer.step()
        bits += [rows, *leaves(final), data.grad, *(s.grad for s in leaves(state))]
        bits += [p.grad.clone() for p in module.parameters()]
    return [*bits, *module.parameters(), torch.get_rng_state()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_do_not_depend_on_being_observed(kind, form, dtype):
    plain, observed = (trained(kind, form, dtype, observing) for observing in (False, True))
    for a, b in zip(plain, observed, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_the_path_does_not_depend_on_being_observed(kind, form, monkeypatch):
    ran = []
    for kernel in (kernels.RNN, kernels.GRU, kernels.LSTM, fused.FusedLSTM):
        apply = kernel.apply
        monkeypatch.setattr(kernel, "apply", lambda *args, k=kernel, apply=apply: ran.append(k) or apply(*args))
    trained(kind, form, torch.float32, observing=False)
    plain = list(ran)
    ran.clear()
    trained(kind, form, torch.float32, observing=True)
    assert ran == plain


@pytest.mark.parametrize("form", FORMS)
def test_outputs_may_be_changed_in_place_and_gradients_by_hooks(form):
    """What is seen are the states as they were, and the gradients that the layer truly got."""
    for kind in KINDS:
        module = make(kind, 3, 4, dtype=torch.float32, batch_first=True)
        given = FORMS[form](torch.float32)
        found = []
        for change in ("none", "in place", "by a hook"):
            with rnnkit.observe(module) as trace:
                output, final = module(given)
                output = output.data if isinstance(output, PackedSequence) else output
                h_n = leaves(final)[0]
                if change == "in place":
                    h_n.mul_(3)
                    if kind != "LSTM" or form in ("ragged", "short"):  # torch's fused kernel forbids it
                        output.mul_(2)
                    else:
                        output = output * 2
                elif change == "by a hook":
                    output.register_hook(lambda g: g * 2)
                    h_n.register_hook(lambda g: g * 3)
                else:
                    output, h_n = output * 2, h_n * 3
                (output.sum() + h_n.sum()).backward()
            found.append(trace["model"]["l0.f"])
        for seen in found[1:]:
            torch.testing.assert_close(seen.hidden.data, found[0].hidden.data, rtol=0, atol=0)
            torch.testing.assert_close(seen.hidden_gradient.data, found[0].hidden_gradient.data)


# Calls, models, errors.


class Two(nn.Module):
    """An encoder that is called twice, the second time from where the first ended, and a decoder nobody calls."""

    def __init__(self):
        super().__init__()
        self.part = nn.ModuleDict({"encoder": make("LSTM", 3, 4)})
        self.decoder = make("GRU", 3, 4)

    def forward(self, first, second):
        _, state = self.part["encoder"](input=first)
        return self.part["encoder"](second, hx=state)[0]


@pytest.mark.parametrize("steps", [4, 15])
def test_calls_are_kept_in_order_and_gradients_pass_from_one_to_the_other(steps):
    model = Two()
    first, second = torch.randn(steps, 2, 3, dtype=torch.float64), torch.randn(steps, 2, 3, dtype=torch.float64)
    with rnnkit.observe(model) as trace:
        output = model(first, second)
        output.square().sum().backward()
    one, two = (call["l0.f"] for call in trace.calls["part.encoder"])
    assert torch.equal(two.hidden.data, output.detach().flatten(0, 1))
    assert trace["part.encoder"]["l0.f"] is two
    assert_close(one.hidden_gradient.data[-2:], two.initial_gradient, 1e-12)
    o, c = one.gates["o"].data[-2:], one.cell.data[-2:]
    by_way_of_h = one.hidden_gradient.data[-2:] * o * (1 - c.tanh().square())
    assert_close(one.cell_gradient.data[-2:], two.initial_cell_gradient + by_way_of_h, 1e-12)
    with pytest.raises(UserError, match="decoder has not run while it was observed"):
        trace["decoder"]
    with pytest.raises(UserError, match="no recurrent module 'encoder'; it has part.encoder, decoder"):
        trace["encoder"]


def test_truncated_backpropagation_with_a_step_of_the_optimizer_between():
    module = make("GRU", 3, 4, batch_first=True)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    x, state, expected = torch.randn(2, 45, 3, dtype=torch.float64), None, []
    with rnnkit.observe(module) as trace:
        for piece in x.split(15, dim=1):
            at_start = (torch.zeros(1, 2, 4, dtype=torch.float64) if state is None else state.detach()).requires_grad_()
            output, state = module(piece, at_start)
            optimizer.zero_grad()
            output.square().sum().backward()
            optimizer.step()
            expected.append((output.detach(), at_start.grad))
    assert len(trace.calls["model"]) == 3
    for call, (output, start) in zip(trace.calls["model"], expected, strict=True):
        seen = call["l0.f"]
        padded, _ = pad_packed_sequence(seen.hidden, batch_first=True)
        assert torch.equal(padded, output)
        assert_close(seen.initial_gradient, start[0], 1e-10)  # by the weights as they were


def test_what_one_reads_between_two_backwards_is_the_first_and_then_the_sum():
    for steps in (4, 15):
        module = make("LSTM", 3, 4, num_layers=2)
        with rnnkit.observe(module) as trace:
            output, _ = module(torch.randn(steps, 2, 3, dtype=torch.float64))
            output[-1].sum().backward(retain_graph=True)
            first = trace["model"]["l0.f"].hidden_gradient.data
            torch.autograd.grad(output[-1].sum(), list(module.parameters()), create_graph=True)
        assert_close(trace["model"]["l0.f"].hidden_gradient.data, 2 * first, 1e-12)
        assert not trace["model"]["l0.f"].hidden_gradient.data.requires_grad


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("steps", [4, 15])
def test_without_gradients_there_are_states_and_gates_and_a_clear_error(without, steps):
    module = make("LSTM", 3, 4, num_layers=2, dropout=0.2)
    with rnnkit.observe(module) as trace, without():
        output, (_, c_n) = module(torch.randn(steps, 2, 3, dtype=torch.float64))
    seen = trace["model"]["l1.f"]
    assert torch.equal(seen.hidden.data, output.flatten(0, 1))
    assert_close(seen.cell.data[-2:], c_n[1], 1e-12)
    assert seen.gates["o"].data.shape == (2 * steps, 4)
    with pytest.raises(UserError, match=r"model l1.f has no gradients: no backward\(\) has run"):
        _ = seen.hidden_gradient


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_shorter_types_and_autocast_are_seen_in_float32(kind):
    torch.manual_seed(0)
    for dtype, autocast in ((torch.bfloat16, False), (torch.float32, True)):
        module, x, found = make(kind, 3, 4, dtype=dtype, num_layers=2), torch.randn(15, 2, 3, dtype=dtype), []
        for observed in (False, True):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                if observed:
                    with rnnkit.observe(module) as trace:
                        output, _ = module(x)
                        output.sum().backward()
                        seen = trace["model"]["l0.f"]
                        shown = [seen.hidden_gradient, *seen.gates.values()]
                        assert {packed.data.dtype for packed in shown} == {torch.float32}
                else:
                    output, _ = module(x)
                    output.sum().backward()
            found += [output, module.weight_hh_l0.grad]
            module.zero_grad()
        assert torch.equal(found[0], found[2])
        assert torch.equal(found[1], found[3])


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_models_with_torchs_layers_or_none_are_told_what_to_change(kind):
    model = nn.Sequential(nn.Linear(2, 3), getattr(nn, kind)(3, 4))
    with pytest.raises(UserError, match=rf"1 is torch.nn's {kind}.*from rnnkit import {kind}"), rnnkit.observe(model):
        pass
    with pytest.raises(UserError, match="Linear has no recurrent module"), rnnkit.observe(nn.Linear(2, 3)):
        pass


def test_a_tagger_that_reads_letters_is_seen_at_both_its_places():
    torch.manual_seed(0)
    words, letters = nn.Embedding(9, 3), nn.Embedding(5, 2)
    spelled = models.Spelled(words, letters, rnnkit.GRU(2, 3, bidirectional=True), [torch.tensor([1, 2])] * 9)
    encoder = rnnkit.LSTM(spelled.size, 4, num_layers=2, bidirectional=True, dropout=0.5)
    model = models.Tagger(encoder, nn.Linear(8, 3), spelled, dropout=0.5)
    with rnnkit.observe(model) as trace:
        batch = packed_list([torch.randint(0, 9, (n, 2)) for n in (14, 2)])
        model(batch).data.square().sum().backward()
    assert list(trace.calls) == ["embedding.reader", "encoder"]
    assert trace["embedding.reader"]["l0.b"].hidden_gradient.data.abs().sum() > 0
    assert list(trace["encoder"]) == ["l0.f", "l0.b", "l1.f", "l1.b"]


def test_nothing_is_left_behind():
    module = make("LSTM", 3, 4, num_layers=2)
    for steps in (4, 15):
        with rnnkit.observe(module) as trace:
            output, _ = module(torch.randn(steps, 2, 3, dtype=torch.float64))
            with rnnkit.observe(module) as inner:
                module(torch.randn(steps, 2, 3, dtype=torch.float64))[0].sum().backward()
        assert len(trace.calls["model"]) == 2
        assert len(inner.calls["model"]) == 1
        assert torch.equal(inner["model"]["l0.f"].hidden_gradient.data, trace["model"]["l0.f"].hidden_gradient.data)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert module.watchers == ()
        output.sum().backward()
        with pytest.raises(UserError, match="while it was observed"):
            _ = trace.calls["model"][0]["l0.f"].hidden_gradient
        node = weakref.ref(output)
        del output
        gc.collect()
        assert node() is None
        module(torch.randn(steps, 2, 3, dtype=torch.float64))
        assert len(trace.calls["model"]) == 2


def test_an_error_inside_leaves_the_module_as_it_was():
    module = make("GRU", 3, 4)
    with pytest.raises(RuntimeError), rnnkit.observe(module) as trace:
        module(torch.randn(15, 2, 7, dtype=torch.float64))
    assert trace.calls == {"model": []}
    assert module.watchers == ()
    assert not module._forward_hooks


@pytest.mark.parametrize("kind", KINDS)
def test_padding_never_leaks(kind):
    module = make(kind, 3, 4, num_layers=2, bidirectional=True)
    batch = collate(Examples([torch.randn(n, 3, dtype=torch.float64) for n in (4, 15, 1)], torch.zeros(3)))
    poisoned, lengths = pad_packed_sequence(batch.inputs, padding_value=float("nan"))
    found = []
    for packed in (batch.inputs, pack_padded_sequence(poisoned, lengths, enforce_sorted=False)):
        with rnnkit.observe(module) as trace:
            output, _ = module(packed)
            padded, _ = pad_packed_sequence(output, padding_value=float("nan"))
            padded[~padded.isnan()].square().sum().backward()
        found.append(trace["model"])
    for name in found[0]:
        for part in ("hidden", "hidden_gradient"):
            rows = [getattr(call[name], part).data for call in found]
            assert rows[0].isfinite().all()
            assert torch.equal(*rows)


def test_norms_by_time_and_by_lag():
    packed = packed_list([torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([[0.0, 7.0]])])
    torch.testing.assert_close(by_time(packed), torch.tensor([6.0, 1.0]))
    torch.testing.assert_close(by_lag(packed), torch.tensor([4.0, 5.0]))
    assert rnnkit.observe.by_lag is by_lag


@pytest.mark.parametrize(
    "lines",
    [
        "from rnnkit.observe import observe, by_lag",  # the module first, the name in rnnkit afterwards
        "from rnnkit import observe; import rnnkit.observe",
    ],
)
def test_observe_is_callable_however_it_is_imported(lines):
    program = f"{lines}\nimport rnnkit, torch\nwith rnnkit.observe(rnnkit.GRU(2, 3)) as trace: print(list(trace.calls))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "['model']\n", done.stderr
