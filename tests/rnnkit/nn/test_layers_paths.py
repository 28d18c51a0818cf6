"""When our kernels run and when torch's path is taken, and that mistakes end in torch's errors."""

import contextlib
import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import rnnkit
from rnnkit.nn.kernels import bptt
from rnnkit.nn.kernels.native_stack import NativeStack
from tests.rnnkit.nn.pairs import KINDS, PATHS, packed_batch, pair, take


class Spy:
    """Counts the calls of the fast kernels."""

    def __init__(self, monkeypatch):
        self.calls = 0
        for kernel in (bptt.RNN, bptt.GRU, bptt.LSTM, NativeStack):
            monkeypatch.setattr(kernel, "apply", self._counting(kernel.apply))

    def _counting(self, apply):
        def counted(*args):
            self.calls += 1
            return apply(*args)

        return counted


@pytest.fixture
def spy(monkeypatch):
    return Spy(monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_packed_sequences_take_the_fast_path(kind, dtype, spy):
    layer, _ = pair(kind, 3, 4, dtype=dtype, num_layers=2, bidirectional=True)
    layer(packed_batch([4, 2, 2], 3, dtype))
    assert spy.calls == 1


def test_any_number_of_steps_and_padded_input_take_the_fast_path(spy):
    layer, _ = pair("GRU", 3, 4)
    layer(packed_batch([1], 3, torch.float32))
    layer(torch.randn(1, 2, 3))
    layer(torch.randn(9, 3))
    assert spy.calls == 3


def jvp(layer, packed):
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(packed.data, torch.ones_like(packed.data))
        output, _ = layer(packed._replace(data=dual))
        return torch.autograd.forward_ad.unpack_dual(output.data).tangent


def vjp(layer, packed):
    x = packed.data.detach().view(1, len(packed.data), -1)
    return torch.func.vjp(lambda x: layer(x)[0], x)[1](torch.ones(1, len(packed.data), 4, dtype=x.dtype))[0]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("asked", [jvp, vjp])
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's forward mode uses it
def test_forward_mode_and_functional_transforms_take_torchs_path(kind, asked, spy):
    ours, theirs = pair(kind, 3, 4, dtype=torch.float64)
    packed = pack_sequence([torch.randn(n, 3, dtype=torch.float64) for n in (3, 2)])
    torch.testing.assert_close(asked(ours, packed), asked(theirs, packed))
    assert spy.calls == 0


def test_what_else_takes_torchs_path(spy):
    packed = pack_sequence([torch.randn(n, 3) for n in (3, 2)])
    projected = rnnkit.LSTM(3, 4, proj_size=2)
    assert projected(packed)[0].data.shape == (5, 2)
    half = rnnkit.GRU(3, 4, dtype=torch.bfloat16)
    assert half(packed._replace(data=packed.data.bfloat16()))[0].data.dtype == torch.bfloat16
    meta = rnnkit.GRU(3, 4, device="meta")
    assert meta(torch.empty(5, 2, 3, device="meta"))[0].shape == (5, 2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rnnkit.LSTM(3, 4)(torch.randn(5, 2, 3))
    assert spy.calls == 0


class Net(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.layer(x)[0])


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_tools_that_rewrite_a_model_find_torchs_layer_or_a_node(kind):
    net, x = Net(pair(kind, 3, 4)[0]), torch.randn(5, 2, 3)
    traced = torch.fx.symbolic_trace(net)
    assert [node.op for node in traced.graph.nodes if node.target == "layer"] == ["call_module"]
    assert torch.equal(traced(x), net(x))
    torch.testing.assert_close(torch.jit.trace(net, x)(x), net(x))
    with pytest.warns(UserWarning, match=f"puts torch.nn.{kind} in the place of rnnkit's"):
        scripted = torch.jit.script(copy.deepcopy(net))
    torch.testing.assert_close(scripted(x), net(x))
    assert isinstance(net.layer, getattr(rnnkit, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
def test_many_gradients_at_once_are_those_one_by_one(kind, path, monkeypatch):
    take(path, monkeypatch)
    layer, _ = pair(kind, 3, 4, dtype=torch.float64, num_layers=2, bidirectional=True)
    packed = packed_batch([4, 2, 2], 3, torch.float64)
    data = packed.data.clone().requires_grad_()
    output, final = layer(packed._replace(data=data))
    wanted = [data, *layer.parameters()]
    for out in (output.data, final[0] if isinstance(final, tuple) else final):
        given = torch.randn(3, *out.shape, dtype=torch.float64)
        together = torch.autograd.grad(out, wanted, given, is_grads_batched=True, retain_graph=True)
        alone = [torch.autograd.grad(out, wanted, each, retain_graph=True) for each in given]
        for many, parts in zip(together, zip(*alone, strict=True), strict=True):
            torch.testing.assert_close(many, torch.stack(parts))
    x = torch.randn(5, 3, dtype=torch.float64)
    jacobian = lambda vectorize: torch.autograd.functional.jacobian(
        lambda x: layer(x)[0].sum(0), x, vectorize=vectorize
    )
    torch.testing.assert_close(jacobian(True), jacobian(False))


@pytest.mark.parametrize("path", ["native", "plain"])
def test_under_no_grad_nothing_is_kept_for_backward(path, monkeypatch):
    take(path, monkeypatch)
    kept = []
    layer, _ = pair("GRU", 3, 4)
    for kernel in (NativeStack, bptt.GRU):
        forward = kernel.forward
        spy = lambda ctx, *args, forward=forward: (kept.append(any(ctx.needs_input_grad)), forward(ctx, *args))[1]
        monkeypatch.setattr(kernel, "forward", staticmethod(spy))
    with torch.no_grad():
        layer(packed_batch([4, 2], 3, torch.float32))
    layer(packed_batch([4, 2], 3, torch.float32))
    assert kept == [False, True]


MISTAKES = [
    lambda layer: layer(torch.randn(5, 2, 7)),  # features
    lambda layer: layer(torch.randn(5, 2, 3, 1)),  # dimensions
    lambda layer: layer(torch.randn(5, 2, 3, dtype=torch.float64)),  # type
    lambda layer: layer(torch.randn(5, 2, 3), torch.zeros(1, 3, 4)),  # batch of the state
    lambda layer: layer(torch.randn(5, 3), torch.zeros(1, 1, 4)),  # unbatched with a batched state
    lambda layer: layer(torch.randn(0, 2, 3)),  # no steps
    lambda layer: layer(pack_sequence([torch.randn(2, 7)])),
    lambda layer: layer(pack_sequence([torch.randn(2, 3)]), torch.zeros(1, 2, 4)),
    lambda layer: layer(PackedSequence(torch.randn(5, 3), torch.tensor([2, 2]))),  # rows that do not fit
    lambda layer: layer(pack_padded_sequence(torch.randn(5, 2, 3), torch.tensor([6, 2]))),  # length beyond the input
    lambda layer: layer([1, 2]),
]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_mistakes_give_torchs_errors(kind, number):
    """The same error with the same words; where torch lets one pass, as some do for some kinds, so does ours."""
    said = []
    for layer in pair(kind, 3, 4):
        try:
            said.append(MISTAKES[number](layer)[0][0].shape)
        except Exception as error:  # noqa: BLE001 (whatever torch.nn raises, ours must)
            said.append((type(error), str(error)))
    assert said[0] == said[1]


def test_most_mistakes_are_errors():
    count = 0
    for mistake in MISTAKES:
        with contextlib.suppress(RuntimeError, ValueError, TypeError, AttributeError):
            mistake(rnnkit.GRU(3, 4))
            count += 1
    assert count <= 1


def test_it_is_torchs_class_with_torchs_state_in_every_respect():
    layer = rnnkit.LSTM(3, 4, num_layers=2, bidirectional=True)
    assert isinstance(layer, nn.LSTM)
    assert list(layer.state_dict()) == list(nn.LSTM(3, 4, num_layers=2, bidirectional=True).state_dict())
    assert repr(layer) == repr(nn.LSTM(3, 4, num_layers=2, bidirectional=True))
    packed = pack_sequence([torch.randn(n, 3) for n in (3, 2)])
    expected = layer(packed)[0].data
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301 (our own bytes)
        assert torch.equal(twin(packed)[0].data, expected)
    torch.manual_seed(3)
    ours = rnnkit.GRU(3, 4).state_dict()
    torch.manual_seed(3)
    assert all(torch.equal(ours[k], v) for k, v in nn.GRU(3, 4).state_dict().items())
