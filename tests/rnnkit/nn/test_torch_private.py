"""What rnnkit.nn takes from torch's private interface is there, and says what we take it to say."""

import torch
from torch import nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from rnnkit.nn import _torch_private


class Listening(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


def test_forward_mode_is_known_while_a_level_is_open():
    assert not _torch_private.in_forward_mode()
    with forward_ad.dual_level():
        assert _torch_private.in_forward_mode()
    assert not _torch_private.in_forward_mode()


def test_functional_transforms_are_known_while_they_run():
    inside = []
    torch.func.vmap(lambda x: inside.append(_torch_private.in_functional_transform()) or x)(torch.ones(2))
    torch.func.grad(lambda x: inside.append(_torch_private.in_functional_transform()) or x)(torch.ones(()))
    assert inside == [True, True]
    assert not _torch_private.in_functional_transform()


def test_dispatch_modes_are_known_while_they_listen():
    assert not _torch_private.in_dispatch_mode()
    with Listening():
        assert _torch_private.in_dispatch_mode()
    assert not _torch_private.in_dispatch_mode()


def test_flat_weights_are_a_modules_own_in_the_order_of_its_layers():
    module = nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    weights = _torch_private.flat_weights(module)
    assert all(a is b for a, b in zip(weights, module.parameters(), strict=True))
