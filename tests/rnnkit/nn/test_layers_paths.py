"""When our kernels run and when torch's path is taken, and that mistakes end in torch's errors."""

import contextlib
import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import rnnkit
from rnnkit.nn import layers
from rnnkit.nn.kernels import bptt, fused
from tests.rnnkit.nn.pairs import KINDS, packed_batch, pair


pytestmark = pytest.mark.usefixtures("fast_path_for_few_steps")


class Spy:
    """Counts the calls of the fast kernels."""

    def __init__(self, monkeypatch):
        self.calls = 0
        for kernel in (bptt.RNN, bptt.GRU, bptt.LSTM, fused.FusedLSTM):
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
    assert spy.calls == 4


def test_few_steps_take_torchs_path(monkeypatch, spy):
    monkeypatch.setattr(layers, "FEWEST_STEPS", 12)
    layer, _ = pair("GRU", 3, 4)
    layer(packed_batch([11, 2], 3, torch.float32))
    layer(torch.randn(11, 2, 3))
    assert spy.calls == 0
    layer(packed_batch([12, 2], 3, torch.float32))
    assert spy.calls == 1


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
