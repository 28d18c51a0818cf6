"""What is seen of a layer against autograd over the equations, in every form of input."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, unpack_sequence

import rnnkit
from rnnkit.nn import cells
from rnnkit.observation.observe import by_lag, by_time
from tests.helpers import ROOT
from tests.rnnkit.nn.pairs import PATHS, leaves, take
from tests.rnnkit.observation.observed import KINDS, SEED, assert_close, loss_of, make, packed_list, state_for


def by_equations(module, sequences, state):
    """The module as a loop over `rnnkit.nn.cells`, sequence by sequence, every state a node that keeps its gradient.

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
        "path": draw(st.sampled_from(PATHS)),
        "seed": draw(st.integers(0, 5)),
        "options": options,
    }


@settings(max_examples=60)
@given(problems())
def test_ragged_batches_as_autograd_over_the_equations_sees_them(problem):
    module = make(problem["kind"], *problem["sizes"], seed=problem["seed"], **problem["options"])
    sequences = [torch.randn(n, problem["sizes"][0], dtype=torch.float64) for n in problem["lengths"]]
    state = state_for(module, len(sequences)) if problem["with_state"] else None
    with pytest.MonkeyPatch.context() as patch:
        take(problem["path"], patch)
        check(module, packed_list(sequences), sequences, state, problem["looks_at"])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("form", ["list", "tuple", "stacked"])
def test_states_in_every_form_that_torch_takes(form, path, monkeypatch):
    take(path, monkeypatch)
    module = make("LSTM", 3, 4)
    h, c = (state.detach() for state in state_for(module, 2))
    packed = packed_list([torch.randn(n, 3, dtype=torch.float64) for n in (3, 5)])
    given = {"list": [h, c], "tuple": (h, c), "stacked": torch.stack([h, c])}[form]
    expected = module(packed, (h, c))[0].data
    with rnnkit.observe(module) as trace:
        output, _ = module(packed, given)
        output.data.sum().backward()
    assert_close(output.data, expected, 1e-12)
    with rnnkit.observe(module) as pair:
        module(packed, (h, c))[0].data.sum().backward()
    one, two = trace["model"]["l0.f"], pair["model"]["l0.f"]
    assert_close(one.initial_cell_gradient, two.initial_cell_gradient, 1e-12)
    assert_close(one.cell.data, two.cell.data, 1e-12)


@pytest.mark.parametrize("path", PATHS)
def test_a_list_of_states_takes_the_same_path_as_a_tuple(path, monkeypatch):
    take(path, monkeypatch)
    x = torch.randn(5, 3, dtype=torch.float64)
    module, state = make("LSTM", 3, 4), torch.zeros(1, 4, dtype=torch.float64)
    outputs = [module(x, pair)[0] for pair in ([state, state], (state, state))]
    assert torch.equal(*outputs)
    assert type(outputs[0].grad_fn) is type(outputs[1].grad_fn)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["steps first", "batch first", "unbatched"])
@pytest.mark.parametrize("path", PATHS)
def test_padded_and_unbatched_inputs(kind, form, path, monkeypatch):
    take(path, monkeypatch)
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
def test_kernels_in_float32(lengths, bidirectional):
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


def test_a_layer_or_gate_that_is_not_there_is_told_which_are():
    with rnnkit.observe(module := rnnkit.GRU(2, 3)) as trace:
        module(torch.randn(4, 1, 2))
    with pytest.raises(KeyError, match=r"l1.f: there is l0.f"):
        trace["model"]["l1.f"]
    with pytest.raises(KeyError, match="q: there is r, z, n"):
        trace["model"]["l0.f"].gates["q"]
    assert trace["model"].get("l1.f") is None


def test_norms_by_time_and_by_lag():
    packed = packed_list([torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([[0.0, 7.0]])])
    torch.testing.assert_close(by_time(packed), torch.tensor([6.0, 1.0]))
    torch.testing.assert_close(by_lag(packed), torch.tensor([4.0, 5.0]))
    assert rnnkit.observe.by_lag is by_lag


@pytest.mark.parametrize(
    "lines",
    [
        "from rnnkit.observation.observe import observe, by_lag",  # the module first, the name in rnnkit afterwards
        "from rnnkit import observe; import rnnkit.observation",
    ],
)
def test_observe_is_callable_however_it_is_imported(lines):
    program = f"{lines}\nimport rnnkit, torch\nwith rnnkit.observe(rnnkit.GRU(2, 3)) as trace: print(list(trace.calls))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "['model']\n", done.stderr
