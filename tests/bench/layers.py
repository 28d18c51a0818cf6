"""How fast our recurrent layers are: beside torch.nn's, packed and padded, and beside the bare matrix products.

    python -m tests.bench.layers                    # or: make bench
    python -m tests.bench.layers --json bench.json

Forward and backward of one module in float32, the gradient of the input included; lengths uniform in [T/4, T]; CPU time
of one thread, all variants in turn in one process, the median of the repeats. Peak memory is that of a fresh process
for each. Shapes are (batch, steps of the longest, inputs, hidden). With MKL_CBWR=AUTO,STRICT in the environment it
shows what results cost that do not depend on the number of threads.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import rnnkit
from rnnkit.core import cli, errors, files
from rnnkit.runs.manifest import processor


KINDS = ("RNN", "GRU", "LSTM")
SHAPES = (
    (16, 400, 32, 32),
    (32, 100, 64, 64),
    (32, 100, 64, 256),
    (64, 200, 128, 128),
    (64, 300, 100, 64),
    (32, 1000, 64, 64),
)
TWO_LAYERS = ((32, 100, 64, 64), (64, 200, 128, 128))
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@dataclass(frozen=True)
class Options:
    """What can be said to the benchmark."""

    json: Path | None = None
    """Write the figures to this file too."""
    repeats: int = 7
    """How often each variant is timed; those that take over a second, 3 times."""
    only: str = ""
    """Comma-separated parts: grid, equal, length, memory; all by default."""


@dataclass(frozen=True)
class Case:
    """One module on one ragged batch."""

    kind: str
    shape: tuple[int, int, int, int]
    bidirectional: bool = False
    num_layers: int = 1
    equal: bool = False

    def __str__(self):
        layers = ", 2 layers" if self.num_layers == 2 else ""
        return f"{self.kind:<4} {'both' if self.bidirectional else 'one '} {self.shape!s:<20}{layers}"


class Bench:
    """The variants of a case as functions without arguments, each a forward and a backward pass."""

    def __init__(self, case: Case):
        self.case = case
        batch, steps, inputs, hidden = case.shape
        torch.manual_seed(0)
        lengths = torch.randint(steps // 4, steps + 1, (batch,))
        lengths[0] = steps
        if case.equal:
            lengths[:] = steps
        options = {"num_layers": case.num_layers, "bidirectional": case.bidirectional}
        self.torch = getattr(nn, case.kind)(inputs, hidden, **options)
        self.ours = getattr(rnnkit, case.kind)(inputs, hidden, **options)
        self.ours.load_state_dict(self.torch.state_dict())
        packed = pack_padded_sequence(torch.randn(steps, batch, inputs), lengths, enforce_sorted=False)
        self.packed = packed._replace(data=packed.data.clone().requires_grad_())
        self.padded = torch.randn(steps, batch, inputs).requires_grad_()
        width = hidden * (2 if case.bidirectional else 1)
        self.packed_gradient = torch.randn(len(packed.data), width)
        self.padded_gradient = torch.randn(steps, batch, width)

    def variant(self, name: str) -> Callable[[], object]:
        """torch packed, torch padded, ours (packed), ours padded, or bare products."""
        if name == "bare":
            return self.bare()
        layer = self.ours if name.startswith("ours") else self.torch
        if name.endswith("padded"):
            return lambda: self._run(layer, self.padded, self.padded_gradient)
        return lambda: self._run(layer, self.packed, self.packed_gradient)

    @staticmethod
    def _run(layer, given, gradient):
        output, _ = layer(given)
        (output.data if isinstance(output, PackedSequence) else output).backward(gradient)

    def bare(self) -> Callable[[], object]:
        """The matrix products of the same work and nothing else: for the input and its gradients all steps at once,
        for the state step by step, forward and backward, from weights laid out as suits each product best."""
        _, _, inputs, hidden = self.case.shape
        sizes, rows = self.packed.batch_sizes.tolist(), len(self.packed.data)
        gates = GATES[self.case.kind] * hidden
        directions = 2 if self.case.bidirectional else 1
        runs = []
        for layer in range(self.case.num_layers):
            features = inputs if layer == 0 else hidden * directions
            runs += [_bare_layer(sizes, rows, features, hidden, gates)] * directions
        return lambda: [run() for run in runs]


def _bare_layer(sizes, rows, features, hidden, gates) -> Callable[[], object]:
    x, states, gate_gradients = torch.randn(rows, features), torch.randn(rows, hidden), torch.randn(rows, gates)
    w_ih, w_hh = torch.randn(gates, features), torch.randn(gates, hidden)
    forward, backward = torch.empty(rows, gates), torch.empty(rows, hidden)
    w_t = w_hh.t().contiguous()
    steps = list(zip(states.split(sizes), forward.split(sizes), strict=True))
    back = list(zip(gate_gradients.split(sizes), backward.split(sizes), strict=True))

    def run():
        torch.mm(x, w_ih.t())
        for h, out in steps:
            torch.mm(h, w_t, out=out)
        for g, out in back:
            torch.mm(g, w_hh, out=out)
        return gate_gradients.t() @ states, gate_gradients.t() @ x, gate_gradients @ w_ih

    return run


def measure(case: Case, names: tuple[str, ...], repeats: int) -> dict[str, float]:
    """Milliseconds of each variant, the median of repeats that take turns."""
    bench = Bench(case)
    variants = {name: bench.variant(name) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    slow = set()
    for repeat in range(repeats + 1):  # the first is to warm up
        for name, variant in variants.items():
            if name in slow and repeat > 3:
                continue
            began = time.process_time()
            variant()
            seconds = time.process_time() - began
            if repeat:
                times[name].append(seconds)
            elif seconds > 1:
                slow.add(name)
    return {name: statistics.median(found) * 1e3 for name, found in times.items()}


def grid(repeats: int) -> list[dict]:
    """Every cell and direction on the six shapes, and two layers on two of them."""
    cases = [Case(kind, shape, both) for kind in KINDS for both in (False, True) for shape in SHAPES]
    cases += [Case(kind, shape, both, 2) for kind in KINDS for both in (False, True) for shape in TWO_LAYERS]
    print(f"{'milliseconds':<38}{'torch packed':>13}{'torch padded':>13}{'ours':>8}{'bare':>8}", end="")
    print(f"{'packed/ours':>13}{'padded/ours':>13}{'ours/bare':>11}")
    rows = []
    for case in cases:
        row = measure(case, ("torch packed", "torch padded", "ours", "bare"), repeats)
        ours = row["ours"]
        ratios = row["torch packed"] / ours, row["torch padded"] / ours, ours / row["bare"]
        rows.append({"case": str(case), **row, "over packed": ratios[0], "over padded": ratios[1], "bare": ratios[2]})
        figures = f"{row['torch packed']:13.1f}{row['torch padded']:13.1f}{ours:8.1f}{row['bare']:8.1f}"
        print(f"{case!s:<38}{figures}{ratios[0]:13.1f}{ratios[1]:13.2f}{ratios[2]:11.2f}", flush=True)
    packed, padded = [r["over packed"] for r in rows], [r["over padded"] for r in rows]
    long = [r["over packed"] for r in rows if "1000" in r["case"]]
    wide = [r["bare"] for r in rows if "256" in r["case"]]
    print(f"over torch packed: at least {min(packed):.1f}, geometric mean {geometric_mean(packed):.1f}", end="")
    print(f", at T = 1000 at least {min(long):.1f}")
    print(f"over torch padded: at least {min(padded):.2f}, geometric mean {geometric_mean(padded):.2f}")
    print(f"over the bare products at hidden 256: at most {max(wide):.2f}", flush=True)
    return rows


def geometric_mean(values: list[float]) -> float:
    """The n-th root of the product."""
    return statistics.geometric_mean(values)


def equal_lengths(repeats: int) -> list[dict]:
    """Where all lengths are equal: ours, packed and padded, beside torch.nn's better path."""
    print(f"\n{'equal lengths, milliseconds':<38}{'torch packed':>13}{'torch padded':>13}{'ours':>8}", end="")
    print(f"{'ours padded':>13}{'ours/best':>11}{'padded/best':>13}")
    rows = []
    for case in (Case(kind, shape, equal=True) for kind in KINDS for shape in SHAPES[:4]):
        row = measure(case, ("torch packed", "torch padded", "ours", "ours padded"), repeats)
        best = min(row["torch packed"], row["torch padded"])
        ratios = row["ours"] / best, row["ours padded"] / best
        rows.append({"case": str(case), **row, "packed over best": ratios[0], "padded over best": ratios[1]})
        figures = f"{row['torch packed']:13.1f}{row['torch padded']:13.1f}{row['ours']:8.1f}{row['ours padded']:13.1f}"
        print(f"{case!s:<38}{figures}{ratios[0]:11.2f}{ratios[1]:13.2f}", flush=True)
    worst = max(max(r["packed over best"], r["padded over best"]) for r in rows)
    print(f"over torch.nn's best: at most {worst:.2f}", flush=True)
    return rows


def lengths(repeats: int) -> list[dict]:
    """What four times the length costs."""
    print(f"\n{'T = 250 -> 1000, milliseconds':<38}{'250':>13}{'1000':>13}{'ratio':>8}")
    rows = []
    for kind in KINDS:
        short, long = (measure(Case(kind, (32, t, 64, 64)), ("ours",), repeats)["ours"] for t in (250, 1000))
        rows.append({"kind": kind, "250": short, "1000": long, "ratio": long / short})
        print(f"{kind:<38}{short:13.1f}{long:13.1f}{long / short:8.2f}", flush=True)
    return rows


def memory(_: int) -> list[dict]:
    """The largest resident size of a fresh process, the median of three, for both on the same packed batch."""
    print(f"\n{'peak memory, MiB':<38}{'torch packed':>13}{'ours':>8}{'ratio':>8}")
    rows = []
    for case in (Case(kind, shape, both) for kind in KINDS for both in (False, True) for shape in SHAPES[2:]):
        peaks = {}
        for name in ("torch packed", "ours"):
            words = [sys.executable, "-m", "tests.bench.layers", "peak", name, case.kind, str(int(case.bidirectional))]
            words += map(str, case.shape)
            found = [subprocess.run(words, capture_output=True, text=True, check=True).stdout for _ in range(3)]
            peaks[name] = statistics.median(map(float, found))
        ratio = peaks["ours"] / peaks["torch packed"]
        rows.append({"case": str(case), **peaks, "ratio": ratio})
        print(f"{case!s:<38}{peaks['torch packed']:13.0f}{peaks['ours']:8.0f}{ratio:8.2f}", flush=True)
    print(f"over torch packed: at most {max(r['ratio'] for r in rows):.2f}")
    return rows


def peak(name: str, kind: str, bidirectional: str, *shape: str) -> None:
    """Print this process's largest resident size in MiB after three passes."""
    bench = Bench(Case(kind, tuple(map(int, shape)), bool(int(bidirectional))))
    variant = bench.variant(name)
    for _ in range(3):
        variant()
    # getrusage would count what the parent held when it started this process
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(line.split()[1]) / 1024)


PARTS = {"grid": grid, "equal": equal_lengths, "length": lengths, "memory": memory}


def main() -> None:
    """Measure, print, and write the figures where they are asked for."""
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["peak"]:
        peak(*sys.argv[2:])
        return
    options = cli.parse(Options, "python -m tests.bench.layers", sys.argv[1:], __doc__)
    machine = f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, one thread, torch {torch.__version__}"
    machine += f", MKL_CBWR {os.environ.get('MKL_CBWR', 'not set')}"
    print(f"{machine}, Python {platform.python_version()}\n")
    chosen = [part for part in options.only.split(",") if part] or list(PARTS)
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        raise errors.UserError(f"--only: there is no part {unknown[0]!r}, choose among {', '.join(PARTS)}")
    figures = {part: PARTS[part](options.repeats) for part in chosen}
    if options.json:
        files.write_json(options.json, {"machine": machine, **figures})


if __name__ == "__main__":
    cli.main(main, settle=False)  # as in a program that just imports the layers
