"""Whose bits are the same on any x86 processor: what a run can promise of its numbers."""

import torch
from torch import nn

from rnnkit.core import BaseConfig
from rnnkit.nn import embeddings, heads, layers, members, models, portable
from rnnkit.nn.kernels.library import in_force
from rnnkit.nn.recurrent import Recurrent
from rnnkit.nn.registry import recurrent_modules


# What these compute is elementwise and exact, or runs in the order of the kernel. All else is left to torch, which may
# choose an order of operations, or an approximation of a function, by the processor.
_PORTABLE = {
    *(layers.RNN, layers.GRU, layers.LSTM, portable.Linear, portable.Dropout, nn.Embedding, nn.Dropout, nn.ReLU),
    *(nn.Sequential, nn.ModuleList, heads.LastState, heads.MeanPool, heads.MaxPool, heads.JoinedPool, heads.Grams),
    *(models.SequenceClassifier, models.Tagger, models.LanguageModel, models.CutRecurrence, embeddings.Spelled),
    members.Members,
}


def limits(config: BaseConfig, model: nn.Module, device: torch.device) -> list[str]:
    """Why weights, losses, gradient norms and metrics of a run may differ on another processor, in words.

    None where they are the same bits on every x86 processor with AVX2, on any number of threads.
    """
    if device.type != "cpu":
        return ["it runs on a GPU"]
    found: list[str] = []
    if in_force()["variant"] == "none":
        found.append("the native kernel is not in force")
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        found.append("torch runs without AVX2")
    if config.bits != "portable":
        found.append(f"--bits {config.bits} leaves linear layers and losses to torch")
    if config.layers == "torch":
        found.append("--layers torch leaves recurrent layers to torch")
    asked = {nn.Linear} if config.bits == "torch" else set[type[nn.Module]]()
    asked |= {type(layers) for layers in recurrent_modules(model).values()} if config.layers == "torch" else set()
    others = [module for module in model.modules() if type(module) not in _PORTABLE | asked]
    if names := {f"the cell {m.cell.name}" if isinstance(m, Recurrent) else type(m).__name__ for m in others}:
        found.append(f"torch computes {', '.join(sorted(names))}")
    return found
