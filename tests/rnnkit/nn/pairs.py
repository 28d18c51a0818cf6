"""Our layers beside torch.nn's with the same weights, and what is compared of them."""

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import rnnkit
from rnnkit.nn import layers
from rnnkit.nn.kernels import stack


KINDS = {
    "RNN": (rnnkit.RNN, nn.RNN, {}),
    "ReLU": (rnnkit.RNN, nn.RNN, {"nonlinearity": "relu"}),
    "GRU": (rnnkit.GRU, nn.GRU, {}),
    "LSTM": (rnnkit.LSTM, nn.LSTM, {}),
}


def pair(kind, *sizes, dtype=torch.float32, seed=0, **options):
    """Our layer and torch's with the same weights."""
    ours, theirs, extra = KINDS[kind]
    torch.manual_seed(seed)
    layers = ours(*sizes, dtype=dtype, **extra, **options), theirs(*sizes, dtype=dtype, **extra, **options)
    layers[1].load_state_dict(layers[0].state_dict())
    return layers


def states_for(layer, batch, dtype):
    shape = layer.num_layers * (2 if layer.bidirectional else 1), batch, layer.hidden_size
    states = tuple(torch.randn(shape, dtype=dtype).requires_grad_() for _ in range(2))
    return states if isinstance(layer, nn.LSTM) else states[0]


def leaves(state):
    return [] if state is None else list(state) if isinstance(state, tuple) else [state]


def outcome(layer, sequence, state, weights_of_loss, dropout_seed=7):
    """Outputs, and the gradients of a loss that weighs each of them, of input, states and parameters."""
    data = sequence.data if isinstance(sequence, PackedSequence) else sequence
    for tensor in [data, *leaves(state), *layer.parameters()]:
        tensor.grad = None
    torch.manual_seed(dropout_seed)
    output, final = layer(sequence, state)
    outputs = [output.data if isinstance(output, PackedSequence) else output, *leaves(final)]
    generator = torch.Generator().manual_seed(1)
    loss = 0.0
    for tensor, weight in zip(outputs, weights_of_loss, strict=False):
        if weight:
            loss = loss + (tensor * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)).sum()
    loss.backward()
    gradients = [data.grad, *(s.grad for s in leaves(state)), *(p.grad for p in layer.parameters())]
    return [tensor.detach() for tensor in outputs], [g for g in gradients if g is not None]


def assert_equal_within_rounding(ours, theirs, dtype):
    """The bars that hold for these layers: values to 1e-6 (1e-12 in float64), gradients to 1e-5 (1e-10).

    A gradient that is a sum of terms which cancel is known no better than to the terms' own rounding.
    """
    value, gradient = (1e-6, 1e-5) if dtype == torch.float32 else (1e-12, 1e-10)
    for a, b in zip(ours[0], theirs[0], strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= value * max(1.0, b.abs().max().item())
    assert len(ours[1]) == len(theirs[1])
    rounding = torch.finfo(dtype).eps * max(b.abs().max().item() for b in theirs[1])
    for a, b in zip(ours[1], theirs[1], strict=True):
        assert (a - b).abs().max() <= gradient * b.abs().max().item() + rounding


def packed_batch(lengths, features, dtype):
    packed = pack_sequence([torch.randn(n, features, dtype=dtype) for n in lengths], enforce_sorted=False)
    return packed._replace(data=packed.data.requires_grad_())


def parameter_count(model):
    """How many numbers the model learns."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


PATHS = ("native", "plain", "torch")


def take(path, patch):
    """Have layers take a path: the native kernel, the one without it, or torch's own."""
    if path == "plain":
        patch.setattr(stack, "kernel", lambda: None)
    elif path == "torch":
        patch.setattr(layers, "_is_plain", lambda module: False)
    else:
        assert stack.kernel() is not None, "the kernel was not built"
