"""Norms of gradients and updates, by groups of parameters."""

import functools
import re

import torch
from torch import Tensor, nn

from rnnkit.nn import GATES, Place, recurrent_modules


_RECURRENT_PARAMETER = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)(_reverse)?$")
_PART = {"weight_ih": "ih", "weight_hh": "hh", "bias_ih": "bias", "bias_hh": "bias"}


def parameter_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The model's parameters by the group that their norms are logged under.

    `<module>.<layer>.<direction>/<ih|hh|bias>` for recurrent layers (`encoder.l0.f/ih`: input weights of the forward
    direction of layer 0), `embedding` for the module of that name and other embeddings, `head` for the rest.
    """
    groups: dict[str, list[nn.Parameter]] = {}
    for path, parameter in model.named_parameters():  # a weight that two modules share counts where it comes first
        module_name, _, name = path.rpartition(".")
        module = model.get_submodule(module_name)
        front = isinstance(module, nn.Embedding) or module_name.split(".")[0] == "embedding"
        group = "embedding" if front else "head"
        if isinstance(module, nn.RNNBase) and (match := _RECURRENT_PARAMETER.match(name)):
            group = f"{module_name}.{_place(match)}/{_PART[match[1]]}"
        groups.setdefault(group, []).append(parameter)
    return groups


def gradient_norms(groups: dict[str, list[nn.Parameter]]) -> tuple[Tensor, Tensor]:
    """The 2-norm of the gradient of each group, of shape (groups,), and of all together, a scalar.

    Both stay on their device. The total is the norm of the tensors' norms, as `torch.nn.utils.clip_grad_norm_` has it.
    """
    return _norms_by_group([[p.grad for p in group if p.grad is not None] for group in groups.values()])


@functools.cache
def _index(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """The number of its group for each tensor, where groups have so many."""
    with torch.inference_mode(False):  # it is kept for calls that may want gradients
        return torch.tensor([i for i, size in enumerate(sizes) for _ in range(size)], device=device)


def _norms_by_group(groups: list[list[Tensor]]) -> tuple[Tensor, Tensor]:
    """The 2-norms of groups of tensors, of shape (groups,), and of all."""
    norms = torch.stack([torch.linalg.vector_norm(tensor) for group in groups for tensor in group])
    index = _index(tuple(map(len, groups)), norms.device)
    squares = torch.zeros(len(groups), device=norms.device, dtype=norms.dtype)
    return squares.index_add(0, index, norms.square()).sqrt(), torch.linalg.vector_norm(norms)


def gate_blocks(model: nn.Module) -> dict[str, tuple[nn.Parameter, slice]]:
    """The rows of each gate (ifgo of an LSTM, rzn of a GRU) in W_hh, by `<module>.<layer>.<direction>/hh/<gate>`."""
    blocks = {}
    for module_name, module in recurrent_modules(model).items():
        for name, parameter in module.named_parameters(recurse=False):
            match = _RECURRENT_PARAMETER.match(name)
            if match and match[1] == "weight_hh" and module.mode in GATES:
                for i, gate in enumerate(GATES[module.mode].names):
                    rows = slice(i * module.hidden_size, (i + 1) * module.hidden_size)
                    blocks[f"{module_name}.{_place(match)}/hh/{gate}"] = parameter, rows
    return blocks


def _place(match: re.Match[str]) -> Place:
    return Place(int(match[2]), backward=match[3] is not None)


def gate_gradient_norms(blocks: dict[str, tuple[nn.Parameter, slice]]) -> Tensor:
    """The 2-norm of the gradient of each gate's rows of W_hh, of shape (blocks,), on its device.

    `blocks` are those of `gate_blocks`. The norm of one layer's gates together is its `/hh` of `gradient_norms`. A
    weight without a gradient counts as 0, a model without gates gives shape (0,).
    """
    norms = [
        parameter.new_zeros(()) if parameter.grad is None else torch.linalg.vector_norm(parameter.grad[rows])
        for parameter, rows in blocks.values()
    ]
    return torch.stack(norms) if norms else torch.zeros(0, dtype=torch.float32, device="cpu")


def snapshot(groups: dict[str, list[nn.Parameter]]) -> dict[str, list[Tensor]]:
    """A copy of the parameters, group by group, to measure later ones against."""
    return {name: [p.detach().clone() for p in group] for name, group in groups.items()}


def update_ratios(groups: dict[str, list[nn.Parameter]], before: dict[str, list[Tensor]]) -> Tensor:
    """How far one step moved each group relative to its size: ||w' - w|| / ||w||, of shape (groups,).

    `before` is the `snapshot` taken before the step. Groups that hold biases alone (their name ends in `/bias`) start
    near 0, where the ratio says nothing: for them it is the root mean square of w' - w. About 1e-3 is healthy
    (Karpathy, CS231n, 2015). A group that did not move gives 0, one that moved away from 0 infinity.
    """
    changes = distances(groups, before)
    sizes, _ = _norms_by_group([before[name] for name in groups])
    for i, (name, group) in enumerate(groups.items()):
        if name.endswith("/bias"):
            sizes[i] = sum(p.numel() for p in group) ** 0.5
    return torch.where(changes == 0, changes, changes / sizes)


def distances(groups: dict[str, list[nn.Parameter]], start: dict[str, list[Tensor]]) -> Tensor:
    """How far each group is from where it was: ||w - w_0||, of shape (groups,), w_0 from the `snapshot` `start`."""
    pairs = [zip(group, start[name], strict=True) for name, group in groups.items()]
    return _norms_by_group([[p.detach() - w_0 for p, w_0 in group] for group in pairs])[0]
