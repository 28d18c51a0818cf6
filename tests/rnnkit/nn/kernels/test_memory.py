"""Tensors whose numbers do not lie in memory as they stand: the kernel reads what they say, never what lies between."""

import pytest
import torch
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from rnnkit.nn import portable
from tests.rnnkit.nn.pairs import KINDS, pair, states_for, take


SIZES = {
    "every second": lambda: torch.tensor([3, 99, 2, -7, 1, 0])[::2],
    "a column": lambda: torch.tensor([[3, 50], [2, 60], [1, 70]])[:, 0],
    "one for all": lambda: torch.tensor([2]).expand(3),
    "of the back of another": lambda: torch.tensor([9, 9, 3, 2, 1])[2:],
}


@pytest.fixture(params=["native", "plain"])
def path(request, monkeypatch):
    take(request.param, monkeypatch)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_sizes_of_batches_made_by_hand(kind, name):
    ours, theirs = pair(kind, 3, 4, 2, bidirectional=True)
    sizes = SIZES[name]()
    x = torch.randn(int(sizes.sum()), 3)
    given, final = ours(PackedSequence(x, sizes))
    expected, last = theirs(PackedSequence(x, sizes.contiguous()))
    torch.testing.assert_close(given.data, expected.data)
    torch.testing.assert_close(final, last)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8, torch.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_sizes_of_batches_of_another_type_give_torchs_error(kind, dtype):
    packed = PackedSequence(torch.randn(6, 3), torch.tensor([3, 2, 1], dtype=dtype))
    said = []
    for layer in pair(kind, 3, 4):
        with pytest.raises((RuntimeError, TypeError)) as caught:
            layer(packed)
        said.append((caught.type, str(caught.value)))
    assert said[0] == said[1]


def turned(*shape):
    """A view that stands for the negatives of what lies in memory, as the imaginary part of a conjugate is."""
    view = torch._neg_view(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    assert view.is_neg()
    assert view.is_contiguous()
    return view


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("which", ["input", "state", "weight", "gradient"])
@pytest.mark.parametrize("kind", KINDS)
def test_views_of_the_other_sign_through_a_layer(kind, which):
    layers = pair(kind, 3, 4)
    x, state = torch.randn(5, 2, 3), states_for(layers[0], 2, torch.float32)
    gradient = turned(5, 2, 4) if which == "gradient" else torch.ones(5, 2, 4)
    if which == "input":
        x = turned(5, 2, 3)
    if which == "state":
        state = (turned(1, 2, 4), state[1].detach()) if kind == "LSTM" else turned(1, 2, 4)
    if which == "weight":
        weight = turned(*layers[0].weight_hh_l0.shape)
        for layer in layers:
            layer.weight_hh_l0.data = weight
    found = []
    for layer in layers:
        output, _ = layer(x, state)
        output.backward(gradient)
        found.append([output.detach(), *(parameter.grad for parameter in layer.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_imaginary_part_of_a_conjugate_is_read_with_its_sign():
    ours, theirs = pair("GRU", 1, 2)
    x = torch.randn(1, 1, dtype=torch.complex64).conj().imag
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])


@pytest.mark.parametrize("name", ["linear", "mse_loss", "binary_cross_entropy_with_logits"])
@pytest.mark.parametrize("which", [0, 1])
def test_views_of_the_other_sign_through_linear_layers_and_losses(name, which):
    given = [torch.rand(4, 3), torch.rand(4, 3)]
    given[which] = turned(4, 3)
    leaves = [tensor.clone().requires_grad_() if i != which else tensor for i, tensor in enumerate(given)]
    if name == "binary_cross_entropy_with_logits":
        leaves[1] = leaves[1].detach()
    torch.testing.assert_close(getattr(portable, name)(*leaves), getattr(functional, name)(*leaves))


def test_gradients_of_the_other_sign_and_norms():
    x, weight = torch.randn(4, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    for ours, theirs in zip(
        torch.autograd.grad(portable.linear(x, weight), (x, weight), turned(4, 2)),
        torch.autograd.grad(functional.linear(x, weight), (x, weight), turned(4, 2)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
    there = torch.ones(4, 3)
    (distance,) = portable.norms([turned(4, 3)], [there])
    assert distance == pytest.approx((turned(4, 3) - there).norm().item(), rel=1e-6)
