"""Norms of gradients and updates, by groups of parameters."""

import math
import re
from collections.abc import Sequence
from itertools import islice

from torch import Tensor, nn

from rnnkit.nn import Layers, Place, cell_of, portable, recurrent_modules


_RECURRENT_PARAMETER = re.compile(r"(\w+)_l(\d+)(_reverse)?$")
# What a weight is computed from, by the name that torch.nn.utils gives it: pruned or normalised, or parametrised.
_REPARAMETRISED = re.compile(
    r"^(?P<module>.*?)(\.?parametrizations\.(?P<name>\w+)\.original\d*|\.?(?P<weight>\w+_l\d+(_reverse)?)_(orig|g|v))$"
)
_PART = {"weight_ih": "ih", "weight_hh": "hh"}


def parameter_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The model's parameters by the group that their norms are logged under.

    `<module>.<layer>.<direction>/<ih|hh|bias>` for recurrent layers (`encoder.l0.f/ih`: input weights of the forward
    direction of layer 0; what a cell has beside these goes by its own name), `embedding` for the module of that name
    and other embeddings, `head` for the rest. What a weight is computed from, where it is pruned, normalised or
    parametrised, is of the weight's group.
    """
    groups: dict[str, list[nn.Parameter]] = {}
    for path, parameter in model.named_parameters():  # a weight that two modules share counts where it comes first
        module_name, _, name = path.rpartition(".")
        if (found := _REPARAMETRISED.match(path)) and isinstance(model.get_submodule(found["module"]), Layers):
            module_name, name = found["module"], found["name"] or found["weight"]
        module = model.get_submodule(module_name)
        front = isinstance(module, nn.Embedding) or module_name.split(".")[0] == "embedding"
        group = "embedding" if front else "head"
        if isinstance(module, Layers) and (match := _RECURRENT_PARAMETER.match(name)):
            part = "bias" if match[1].startswith("bias") else _PART.get(match[1], match[1])
            group = f"{module_name}.{_place(match)}/{part}"
        groups.setdefault(group, []).append(parameter)
    return groups


def gradient_norms(groups: dict[str, list[nn.Parameter]]) -> tuple[list[float], float]:
    """The 2-norm of the gradient of each group, and of all together."""
    return _norms_by_group([[p.grad for p in group if p.grad is not None] for group in groups.values()])


def _norms_by_group(
    groups: Sequence[Sequence[Tensor]], others: list[Tensor] | None = None
) -> tuple[list[float], float]:
    """The 2-norms of groups of tensors, or of their differences from others, one after the other, and of all."""
    norms = iter(portable.norms([tensor for group in groups for tensor in group], others))
    squares = [sum(norm * norm for norm in islice(norms, len(group))) for group in groups]
    return [math.sqrt(square) for square in squares], math.sqrt(sum(squares))


def gate_blocks(model: nn.Module) -> dict[str, tuple[nn.Parameter, slice]]:
    """The rows of each gate of a cell (ifgo of an LSTM) in W_hh, by `<module>.<layer>.<direction>/hh/<gate>`."""
    blocks = {}
    for module_name, module in recurrent_modules(model).items():
        for name, parameter in module.named_parameters(recurse=False):
            match = _RECURRENT_PARAMETER.match(name)
            if match and match[1] == "weight_hh":
                for i, gate in enumerate(cell_of(module, exact=False).gates):
                    rows = slice(i * module.hidden_size, (i + 1) * module.hidden_size)
                    blocks[f"{module_name}.{_place(match)}/hh/{gate}"] = parameter, rows
    return blocks


def _place(match: re.Match[str]) -> Place:
    return Place(int(match[2]), backward=match[3] is not None)


def gate_gradient_norms(blocks: dict[str, tuple[nn.Parameter, slice]]) -> list[float]:
    """The 2-norm of the gradient of each gate's rows of W_hh; `blocks` are those of `gate_blocks`.

    The norm of one layer's gates together is its `/hh` of `gradient_norms`. A weight without a gradient counts as 0.
    """
    there = [parameter.grad[rows] for parameter, rows in blocks.values() if parameter.grad is not None]
    norms = iter(portable.norms(there))
    return [0.0 if parameter.grad is None else next(norms) for parameter, _ in blocks.values()]


def snapshot(groups: dict[str, list[nn.Parameter]]) -> dict[str, list[Tensor]]:
    """A copy of the parameters, group by group, to measure later ones against."""
    return {name: [p.detach().clone() for p in group] for name, group in groups.items()}


def update_ratios(groups: dict[str, list[nn.Parameter]], before: dict[str, list[Tensor]]) -> list[float]:
    """How far one step moved each group relative to its size: ||w' - w|| / ||w||.

    `before` is the `snapshot` taken before the step. Groups that hold biases alone (their name ends in `/bias`) start
    near 0, where the ratio says nothing: for them it is the root mean square of w' - w. About 1e-3 is healthy
    (Karpathy, CS231n, 2015). A group that did not move gives 0, one that moved away from 0 infinity.
    """
    changes = distances(groups, before)
    sizes, _ = _norms_by_group([before[name] for name in groups])
    for i, (name, group) in enumerate(groups.items()):
        if name.endswith("/bias"):
            sizes[i] = sum(p.numel() for p in group) ** 0.5
    return [change / size if size else change and math.inf for change, size in zip(changes, sizes, strict=True)]


def distances(groups: dict[str, list[nn.Parameter]], start: dict[str, list[Tensor]]) -> list[float]:
    """How far each group is from where it was: ||w - w_0||, w_0 from the `snapshot` `start`."""
    return _norms_by_group(list(groups.values()), [w_0 for name in groups for w_0 in start[name]])[0]
