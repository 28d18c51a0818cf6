"""How a trained network moves: Lyapunov exponents, spectra of its recurrent weights, dimensions of its states.

    python -m experiments.dynamics char-lm-s0-1a2b3c4d
    python -m experiments.dynamics runs/digits-s0-412afb46 --count 16

The largest Lyapunov exponent of a layer says what becomes of a small change of its state: near 0 it is held for long,
far below it is forgotten in -1/exponent steps, above 0 it grows: the layer is chaotic. All follow the watched sequences
of the run, those that `--observe` looks at too; exponents are the median over them. Everything is written to the run's
media/dynamics.json, and the pictures beside it.
"""

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from experiments import recorded
from rnnkit.core import cli, files, writing
from rnnkit.runs import Result, folders, plots, printing


@dataclass(frozen=True)
class Options(recorded.Options):
    """Which run, and how much of its spectrum."""

    count: int = 8
    """How many Lyapunov exponents, the largest first."""

    def __post_init__(self):
        self._require("count", self.count >= 1, "at least 1")


def of_layers(model, probe, count: int) -> dict[str, dict]:
    """Exponents, spectrum and dimensions of each layer and direction, by `<module>.<layer>.<direction>`."""
    from rnnkit import sequences
    from rnnkit.diagnostics import dynamics, layer_inputs, monitor, states
    from rnnkit.nn import cell_of

    found = {}
    for name, (module, inputs, initial) in layer_inputs(model, probe.run).items():
        for place, one in monitor.seen(module, inputs, initial).items():
            layer, backward = one.place
            owner, time = sequences.owners(one.hidden), sequences.times(one.hidden, backward)
            cell = cell_of(module)
            most = min(count, module.hidden_size * len(cell.states))
            exponents = []
            for sequence in range(int(owner.max()) + 1):
                rows = (owner == sequence).nonzero().flatten()
                x = one.starts[0][rows[time[rows].argsort()]]
                if len(x) > 1:
                    largest = dynamics.lyapunov_exponents(module, x, most, layer=layer, backward=backward)
                    exponents.append(largest.tolist())
            filled = states.dimensions(one.hidden.data)
            found[f"{name}.{place}"] = of = {
                "lyapunov": [statistics.median(values) for values in zip(*exponents, strict=True)],
                "participation_ratio": filled.participation_ratio,
                "effective_rank": filled.effective_rank,
                "hidden_size": module.hidden_size,
            }
            if not cell.recurrent:
                continue
            weight = getattr(module, f"weight_hh_{one.place.suffix}")
            of["singular_values"] = dynamics.gate_singular_values(weight)[:, 0].tolist()
            if not cell.gates:
                spectrum = dynamics.spectrum(weight)
                of |= {"spectral_radius": spectrum.eigenvalues[0].abs().item(), "henrici": spectrum.henrici}
    return found


def write(folder: Path, model, probe, found: dict[str, dict]) -> None:
    """Write media/dynamics.json, and what the pictures are drawn from."""
    from rnnkit.diagnostics import monitor

    with writing(folder / "media"):
        (folder / "media").mkdir(exist_ok=True)
        plain = {
            where: {k: [files.plain_float(x) for x in v] if isinstance(v, list) else v for k, v in of.items()}
            for where, of in found.items()
        }
        files.write_json(folder / "media" / "dynamics.json", plain)
        curves = monitor.look(model, probe).curves | monitor.portrait(model, probe)
        monitor.write_curves(folder, Result.of(folder).step, curves)
    plots.draw(folder)


def main() -> None:
    """Compute, print a table, and write the rest."""
    options = cli.parse(Options, "python -m experiments.dynamics", sys.argv[1:], __doc__)
    folder = folders.find(options.run, options.runs_dir)
    task, _ = recorded.trained(folder, options.data_dir)
    model, probe = task.model, task.probe
    found = of_layers(model, probe, options.count)
    header = "layer", "largest exponents (nats a step)", "memory", "W_hh: largest", "dimensions"
    print("{:24} {:44} {:>10} {:>14} {:>12}".format(*header))
    for where, of in found.items():
        some = " ".join(f"{value:+.4f}" for value in of["lyapunov"][:5])
        first = of["lyapunov"][0] if of["lyapunov"] else float("nan")
        memory = f"{-1 / first:.1f} steps" if first < 0 else "chaotic" if first > 0 else "-"
        filled = f"{of['participation_ratio']:.1f} of {of['hidden_size']}"
        largest = f"{max(of['singular_values']):.3f}" if "singular_values" in of else "-"
        print(f"{where:24} {some:44} {memory:>10} {largest:>14} {filled:>12}")
    write(folder, model, probe, found)
    print(f"all of it: {printing.shown(folder / 'media')}")


if __name__ == "__main__":
    cli.main(main)
