"""Our layers beside torch.nn's on one device: the same numbers, how long they take, and what observing costs."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import rnnkit


KINDS = ("RNN", "GRU", "LSTM")
SHAPES = ((32, 100, 64, 128), (64, 200, 128, 256), (128, 50, 256, 512))  # batch, longest, inputs, hidden
SMALL = ((4, 12, 5, 6),)


@dataclass(frozen=True)
class Case:
    """One layer on one batch: milliseconds of a forward and backward pass, and how far the numbers are apart."""

    kind: str
    shape: tuple[int, int, int, int]
    packed: bool
    ours: float
    torchs: float
    observed: float
    apart: float  # the largest difference of outputs and gradients from torch.nn's, as a share of the largest number


def sequence(shape: tuple[int, int, int, int], packed: bool, device: torch.device) -> PackedSequence | Tensor:
    """A batch with lengths from a quarter of the longest on, or of one length, the same each time."""
    batch, longest, inputs, _ = shape
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(longest, batch, inputs, generator=generator).to(device)
    if not packed:
        return x
    lengths = torch.randint(max(1, longest // 4), longest + 1, (batch,), generator=generator)
    lengths[0] = longest
    return pack_padded_sequence(x, lengths, enforce_sorted=False)


def passed(layer: nn.RNNBase, given: PackedSequence | Tensor) -> list[Tensor]:
    """The output of a layer, and its parameters' gradients for a fixed loss."""
    output = layer(given)[0]
    rows = output.data if isinstance(output, PackedSequence) else output
    return [rows.detach(), *torch.autograd.grad(rows.square().mean(), list(layer.parameters()))]


def milliseconds(device: torch.device, repeats: int, runs: list[Callable[[], object]]) -> list[float]:
    """The median of each, all in turn, after one that is not counted."""
    times: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats + 1):
        for run, found in zip(runs, times, strict=True):
            began = now(device)
            run()
            if repeat:
                found.append(1_000 * (now(device) - began))
    return [statistics.median(found) for found in times]


def now(device: torch.device) -> float:
    """The time, once the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def measure(kind: str, shape: tuple[int, int, int, int], packed: bool, device: torch.device, repeats: int = 15) -> Case:
    """Compare and time one layer."""
    torch.manual_seed(0)
    *_, inputs, hidden = shape
    theirs = getattr(nn, kind)(inputs, hidden, bidirectional=True, device=device)
    ours = getattr(rnnkit, kind)(inputs, hidden, bidirectional=True, device=device)
    ours.load_state_dict(theirs.state_dict())
    given = sequence(shape, packed, device)

    def observed() -> object:
        with rnnkit.observe(ours):
            return passed(ours, given)

    pairs = list(zip(passed(ours, given), passed(theirs, given), strict=True))
    apart = max(((a - b).abs().max() / b.abs().max().clamp(min=1e-12)).item() for a, b in pairs)
    runs = [lambda: passed(ours, given), lambda: passed(theirs, given), observed]
    return Case(kind, shape, packed, *milliseconds(device, repeats, runs), apart)


def seen_beside_the_cpu(kind: str, device: torch.device) -> float:
    """How far what is observed on a device is from the CPU's own in float64, as a share of the largest number."""
    found: list[list[Tensor]] = []
    for place in (device, torch.device("cpu")):
        torch.manual_seed(0)
        layer = getattr(rnnkit, kind)(5, 6, num_layers=2, bidirectional=True, dtype=torch.float64).to(place)
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(12, 4, 5, generator=generator, dtype=torch.float64).to(place)
        with rnnkit.observe(layer) as trace:
            layer(pack_padded_sequence(x, [12, 7, 7, 1]))[0].data.square().sum().backward()
        seen = trace["model"].values()
        rows = [part for each in seen for part in (each.hidden, each.hidden_gradient, *each.gates.values())]
        found.append([part.data.cpu() for part in rows])
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(*found, strict=True))
