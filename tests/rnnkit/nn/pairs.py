"""Our layers beside torch.nn's with the same weights, and what is compared of them."""

import copy

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils._python_dispatch import TorchDispatchMode

import rnnkit
from rnnkit.nn import layers
from rnnkit.nn.kernels import stack


KINDS = {
    "RNN": (rnnkit.RNN, nn.RNN, {}),
    "ReLU": (rnnkit.RNN, nn.RNN, {"nonlinearity": "relu"}),
    "GRU": (rnnkit.GRU, nn.GRU, {}),
    "LSTM": (rnnkit.LSTM, nn.LSTM, {}),
}

DRAWS = 10
EPS = 2.0**-24  # of the simulated type: far above what float64, in which it is simulated, rounds itself

# Where tanh is nearly 1, its derivative is all rounding: it once differed by three times the bar of other gradients.
SATURATED = {"kind": "RNN", "sizes": (7, 1), "lengths": [7], "dtype": torch.float32, "with_state": True, "seed": 3}
SATURATED |= {"looks_at": (1, 0, 0), "chunk_bytes": stack.CHUNK_BYTES}


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


def in_float64(layer, sequence, state):
    """Copies of a layer and of what it is given."""

    def copied(tensor):
        return tensor.detach().double().requires_grad_()

    packed = isinstance(sequence, PackedSequence)
    sequence = sequence._replace(data=copied(sequence.data)) if packed else copied(sequence)
    states = [copied(s) for s in leaves(state)]
    return copy.deepcopy(layer).double(), sequence, tuple(states) if isinstance(state, tuple) else (*states, None)[0]


def assert_alike(layers, sequence, state, weights_of_loss, dtype):
    """Our layer's outcome is torch's within rounding."""
    ours, theirs = (outcome(layer, sequence, state, weights_of_loss) for layer in layers)
    exactly = in_float64(layers[1], sequence, state)
    assert_close(ours, theirs, dtype, lambda: outcome(*exactly, weights_of_loss)[1])


class RandomRounding(TorchDispatchMode):
    """What each operation gives, in forward and backward, is off by up to EPS of itself (Parker, Monte Carlo
    Arithmetic, 1997).
    """

    def __init__(self, seed):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        aliases = [returned.alias_info for returned in func._schema.returns]
        for one, alias in zip(result if isinstance(result, (tuple, list)) else [result], aliases, strict=False):
            if isinstance(one, torch.Tensor) and one.is_floating_point() and (alias is None or alias.is_write):
                one.mul_(1 + EPS * (2 * torch.rand(one.shape, generator=self.generator, dtype=one.dtype) - 1))
        return result


def spread(action, dtype):
    """How far the tensors that `action` computes, in float64, are off where each operation rounds to `dtype`.

    A number for each: the largest of a few draws.
    """
    exact = action()
    largest = torch.zeros(len(exact), dtype=torch.float64)
    for seed in range(DRAWS):
        with RandomRounding(seed):
            rounded = action()
        largest = largest.maximum(torch.stack([(a - b).abs().max() for a, b in zip(exact, rounded, strict=True)]))
    return largest * torch.finfo(dtype).eps / (2 * EPS)


def assert_close(ours, theirs, dtype, exactly=None):
    """The bars that hold for these layers: values to 1e-6 (1e-12 in float64), gradients to 1e-5 (1e-10).

    A gradient in which terms cancel (of a sum, or 1 and h^2 in tanh's derivative) is known no better than to these
    terms' own rounding. Where a difference asks for more than a rounding of the largest gradient, it is measured how
    far that goes, on torch's gradients in float64, which `exactly` computes.
    """
    value, gradient = (1e-6, 1e-5) if dtype == torch.float32 else (1e-12, 1e-10)
    for a, b in zip(ours[0], theirs[0], strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= value * max(1.0, b.abs().max().item())
    assert len(ours[1]) == len(theirs[1])
    differences = torch.stack([(a - b).abs().max() for a, b in zip(ours[1], theirs[1], strict=True)])
    sizes = torch.stack([b.abs().max() for b in theirs[1]])
    rounding = torch.finfo(dtype).eps * sizes.max()
    if exactly is not None and (differences > gradient * sizes + rounding).any():
        rounding = 4 * spread(exactly, dtype)  # both round, and the largest of a few draws may be half of what can be
    assert (differences <= gradient * sizes + rounding).all()


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
