"""Numbers that say whether a recurrent network can learn: gradient norms by group, statistics of the hidden states."""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence


SATURATED = 0.95  # a tanh unit beyond this passes less than a tenth of the gradient

_RECURRENT_PARAMETER = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)(_reverse)?$")
_PART = {"weight_ih": "ih", "weight_hh": "hh", "bias_ih": "bias", "bias_hh": "bias"}


def recurrent_modules(model: nn.Module) -> dict[str, nn.RNNBase]:
    """The recurrent modules of a model by their name in it."""
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.RNNBase)}


def parameter_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The model's parameters by the group that their norms are logged under.

    `<module>.<layer>.<direction>/<ih|hh|bias>` for recurrent layers (`encoder.l0.f/ih`: input weights of the forward
    direction of layer 0), `embedding` for the module of that name and for embeddings elsewhere, `head` for all
    the rest.
    """
    groups: dict[str, list[nn.Parameter]] = {}
    seen: set[nn.Parameter] = set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter in seen:  # a weight that two modules share counts where it comes first
                continue
            seen.add(parameter)
            front = isinstance(module, nn.Embedding) or module_name.split(".")[0] == "embedding"
            group = "embedding" if front else "head"
            if isinstance(module, nn.RNNBase) and (match := _RECURRENT_PARAMETER.match(name)):
                part, layer, reverse = match.groups()
                group = f"{module_name}.l{layer}.{'b' if reverse else 'f'}/{_PART[part]}"
            groups.setdefault(group, []).append(parameter)
    return groups


def gradient_norms(groups: dict[str, list[nn.Parameter]]) -> tuple[Tensor, Tensor]:
    """The 2-norm of the gradient of each group, of shape (groups,), and of all together, a scalar.

    Both stay on their device. The total is the norm of the norms of the single tensors, which is exactly what
    `torch.nn.utils.clip_grad_norm_` computes.
    """
    members = [(i, p.grad) for i, group in enumerate(groups.values()) for p in group if p.grad is not None]
    norms = torch.stack([torch.linalg.vector_norm(gradient) for _, gradient in members])
    index = torch.tensor([i for i, _ in members], device=norms.device)
    squares = torch.zeros(len(groups), device=norms.device, dtype=norms.dtype)
    return squares.index_add(0, index, norms.square()).sqrt(), torch.linalg.vector_norm(norms)


def hidden_statistics(model: nn.Module, forward: Callable[[], object]) -> dict[str, float]:
    """Statistics of the hidden states of every recurrent layer and direction while `forward()` runs the model.

    For each `<module>.<layer>.<direction>`, over valid steps alone:

    - `rms`: ||h_t|| / sqrt(hidden), its mean over the steps;
    - `saturated`: the share of units with |h_t| > 0.95.

    Runs in evaluation mode without gradients, draws no random number, and leaves the mode of each module as it was.
    Dropout between layers is therefore off.
    """
    seen: list[tuple[str, nn.RNNBase, PackedSequence | Tensor, object]] = []
    hooks = [
        module.register_forward_pre_hook(lambda m, args, name=name: seen.append((name, m, args[0], args[1:])))
        for name, module in recurrent_modules(model).items()
    ]
    try:
        with evaluating(model):
            forward()
            statistics = {}
            for name, module, inputs, initial in seen:
                if isinstance(inputs, Tensor):  # every step of it is valid
                    batch, steps = inputs.shape[:2] if module.batch_first else inputs.shape[1::-1]
                    inputs = pack_padded_sequence(inputs, [steps] * batch, batch_first=module.batch_first)
                for layer, states in enumerate(layer_states(module, inputs, *initial)):
                    for direction, h in zip("fb", states.data.split(module.hidden_size, dim=1), strict=False):
                        rms = torch.linalg.vector_norm(h, dim=1).mean() / math.sqrt(h.shape[1])
                        saturated = (h.abs() > SATURATED).to(h.dtype).mean()
                        statistics[f"{name}.l{layer}.{direction}/rms"] = rms.item()
                        statistics[f"{name}.l{layer}.{direction}/saturated"] = saturated.item()
            return statistics
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode and without gradients; afterwards each of its modules has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:  # model.train() would set all alike: a part kept in evaluation mode stays so
            module.training = training


def layer_states(module: nn.RNNBase, inputs: PackedSequence, initial=None) -> list[PackedSequence]:
    """The hidden states of every layer of a recurrent module, not of the top one alone.

    Each is packed as the input is, its data of shape (valid steps, directions x hidden). The layers run one by one
    with the module's own parameters, which gives the same numbers as running them together. Between-layer dropout is
    left out; `initial` is the module's initial state, zero by default.
    """
    kind = next(kind for kind in (nn.RNN, nn.GRU, nn.LSTM) if isinstance(module, kind))
    options = {"nonlinearity": module.nonlinearity} if kind is nn.RNN else {}
    directions = 2 if module.bidirectional else 1
    outputs = []
    for layer in range(module.num_layers):
        single = kind(
            inputs.data.shape[1],
            module.hidden_size,
            bias=module.bias,
            bidirectional=module.bidirectional,
            device="meta",
            **options,
        )
        for name, _ in list(single.named_parameters()):
            setattr(single, name, getattr(module, name.replace("_l0", f"_l{layer}")))
        rows = slice(layer * directions, (layer + 1) * directions)
        if isinstance(initial, tuple):
            state = tuple(part[rows] for part in initial)
        else:
            state = None if initial is None else initial[rows]
        inputs, _ = single(inputs, state)
        outputs.append(inputs)
    return outputs
