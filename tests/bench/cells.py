"""How fast layers of any cell are, on packed sequences: beside torch.nn's LSTM, and beside our own with a kernel.

    python -m tests.bench.cells                    # or: make bench BENCH=cells
    python -m tests.bench.cells --only peephole,mingru --json cells.json

Forward and backward of one layer in one direction in float32, the gradient of the input included; lengths uniform in
[T/4, T]; CPU time of one thread, all variants in turn in one process, the median of the repeats. Shapes are (batch,
steps of the longest, inputs, hidden).
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import rnnkit
from rnnkit.core import cells as registry
from rnnkit.core import cli, errors, files


SHAPES = ((16, 400, 32, 32), (32, 100, 64, 64), (32, 100, 64, 256), (64, 200, 128, 128), (32, 1000, 64, 64))
IN_TIME = {"recurrent dropout": "recurrent_dropout", "weight drop": "weight_drop", "zoneout": "zoneout"}
BESIDE = ("torch LSTM", "our LSTM", "our GRU")


@dataclass(frozen=True)
class Options:
    """What can be said to the benchmark."""

    json: Path | None = None
    """Write the figures to this file too."""
    repeats: int = 3
    """How often each variant is timed; those that take over a second, twice."""
    only: str = ""
    """Comma-separated cells and kinds of dropout; all by default."""


def layers(name: str, inputs: int, hidden: int) -> nn.Module:
    """The layer that a name stands for: a cell, a kind of dropout on the LSTM's, or one that it is compared with."""
    if name in BESIDE:
        owner, kind = name.split()
        return getattr(nn if owner == "torch" else rnnkit, kind)(inputs, hidden)
    if name in IN_TIME:
        return rnnkit.Recurrent("lstm", inputs, hidden, **{IN_TIME[name]: 0.2})
    return rnnkit.Recurrent(name, inputs, hidden)


def passes(shape: tuple[int, int, int, int], names: list[str]) -> dict[str, Callable[[], None]]:
    """For each name a forward and a backward pass, all on the same batch."""
    batch, steps, inputs, hidden = shape
    torch.manual_seed(0)
    lengths = torch.randint(steps // 4, steps + 1, (batch,))
    lengths[0] = steps
    packed = pack_padded_sequence(torch.randn(steps, batch, inputs), lengths, enforce_sorted=False)
    gradient = torch.randn(len(packed.data), hidden)

    def of(layer: nn.Module, given: PackedSequence) -> Callable[[], None]:
        def run() -> None:
            output, _ = layer(given)
            output.data.backward(gradient)

        return run

    fresh = [packed._replace(data=packed.data.clone().requires_grad_()) for _ in names]
    return {name: of(layers(name, inputs, hidden), given) for name, given in zip(names, fresh, strict=True)}


def measure(variants: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Milliseconds of each, the median of repeats that take turns after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for repeat in range(repeats + 1):
        for name, variant in variants.items():
            if repeat > 2 and times[name][-1] > 1:
                continue
            began = time.process_time()
            variant()
            if repeat:
                times[name].append(time.process_time() - began)
    return {name: statistics.median(found) * 1e3 for name, found in times.items()}


def main() -> None:
    """Measure, print, and write the figures where they are asked for."""
    torch.set_num_threads(1)
    options = cli.parse(Options, "python -m tests.bench.cells", sys.argv[1:], __doc__)
    every = [*registry.names(), *IN_TIME]
    chosen = [name for name in options.only.split(",") if name] or every
    if unknown := [name for name in chosen if name not in every]:
        raise errors.UserError(f"--only: there is no {unknown[0]!r}, choose among {', '.join(every)}")
    names = [*BESIDE, *chosen]
    print("milliseconds; in brackets times those of torch.nn's LSTM, and of ours\n")
    print(f"{'':<20}" + "".join(f"{shape!s:>26}" for shape in SHAPES))
    figures: dict[str, dict[str, float]] = {}
    for shape in SHAPES:
        figures[str(shape)] = measure(passes(shape, names), options.repeats)
    for name in names:
        print(f"{name:<20}", end="")
        for row in figures.values():
            ratios = f"({row[name] / row['torch LSTM']:.2f}, {row[name] / row['our LSTM']:.2f})"
            print(f"{row[name]:12.1f} {ratios:>13}", end="")
        print()
    worst = {name: max(row[name] / row["torch LSTM"] for row in figures.values()) for name in chosen}
    slowest = max(worst, key=worst.__getitem__)
    print(f"\nover torch.nn's LSTM on the same packed sequences: at most {worst[slowest]:.2f} ({slowest})")
    long = figures[str(SHAPES[-1])]
    if "mingru" in chosen:
        print(f"minGRU at T = 1000: {long['mingru'] / long['our GRU']:.2f} times our GRU")
    if options.json:
        files.write_json(options.json, figures)


if __name__ == "__main__":
    cli.main(main, settle=False)  # as in a program that just imports the layers
