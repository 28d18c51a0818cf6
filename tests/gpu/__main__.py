"""Check on a GPU what the tests check without one, and write the figures into docs/machines/gpu.md.

    python -m tests.gpu                                  # or: make gpu-check; some 5 minutes
    python -m tests.gpu --device cpu --only digits       # tried without a GPU; writes nothing

Every experiment is trained for some steps, looks inside, is stopped and goes on, and is replayed: all to the same bits.
Our layers are compared and timed beside torch.nn's on cuDNN. Data sets that are not there are said and left out. Where
there is no GPU, it says so and ends with 0; where something did not hold, with 1.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from rnnkit.core import Checked, UserError, cli
from rnnkit.runs.manifest import processor
from tests.gpu import timing, training


MARKS = "<!-- figures -->", "<!-- end of figures -->"
NEAR = {"cuda": 2e-2, "cpu": 1e-4}  # cuDNN may multiply in TF32 and sum in another order


@dataclass(frozen=True)
class Options(Checked):
    """What can be said to the check."""

    device: Literal["cuda", "cpu"] = "cuda"
    """Where to compute; cpu tries the check itself."""
    only: str = ""
    """Cases that hold one of these words, comma-separated, or layers; all by default."""
    minutes: float = 7.0
    """What has not begun after so long is left out."""
    write: Path | None = None
    """The file whose figures are renewed: docs/machines/gpu.md by default on a GPU, none on the CPU."""

    def __post_init__(self) -> None:
        self._require("minutes", 0 < self.minutes <= 1_000, "above 0, and at most 1,000")


def chosen(options: Options) -> tuple[list[str], bool]:
    """The cases to train, and whether layers are compared. Raises `UserError` for words that choose nothing."""
    words = [word for word in options.only.split(",") if word]
    names = [name for name in training.CASES if not words or any(word in name for word in words)]
    layers = not words or "layers" in words
    if not names and not layers:
        raise UserError(f"--only {options.only} chooses nothing: take layers, or of {'; '.join(training.CASES)}")
    return names, layers


def trained(names: list[str], options: Options, until: float) -> list[training.Outcome]:
    """The cases one after the other, each said as it ends."""
    outcomes: list[training.Outcome] = []
    for name in names:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            training.write_data(folder)
            late = training.Outcome(name, left_out=f"{options.minutes:g} minutes were over")
            outcome = training.check(name, options.device, folder) if time.monotonic() < until else late
        print(f"{outcome.name}: {ended(outcome)}", flush=True)
        outcomes.append(outcome)
    return outcomes


def ended(outcome: training.Outcome) -> str:
    """How a case ended, in words."""
    if outcome.left_out:
        return f"left out, as {outcome.left_out}"
    return f"WRONG: {outcome.wrong}" if outcome.wrong else f"{outcome.steps} steps, the same stopped and replayed"


def compared(device: torch.device, until: float) -> tuple[list[timing.Case], list[str]]:
    """Our layers beside torch.nn's, and what did not hold."""
    cases: list[timing.Case] = []
    wrong: list[str] = []
    for kind in timing.KINDS:
        if (apart := timing.seen_beside_the_cpu(kind, device)) > 1e-9:
            wrong.append(f"{kind}: what is observed is {apart:.1e} apart from the CPU's")
    for kind in timing.KINDS:
        for shape in timing.SHAPES if device.type == "cuda" else timing.SMALL:
            for packed in (True, False):
                if time.monotonic() < until:
                    case = timing.measure(kind, shape, packed, device)
                    cases.append(case)
                    if case.apart > NEAR[device.type]:
                        wrong.append(f"{kind} {shape}: {case.apart:.1e} apart from torch.nn's")
    print(
        "\n".join(wrong) or f"layers: {len(cases)} comparisons with torch.nn's and {len(timing.KINDS)} with the CPU's"
    )
    return cases, wrong


def figures(machine: str, outcomes: list[training.Outcome], cases: list[timing.Case]) -> str:
    """What was measured, as tables."""
    lines = [f"Measured on {machine}, torch {torch.__version__}.", ""]
    if outcomes:
        lines += [
            "| case | steps | seconds | numbers seen inside | stopped, gone on and replayed |",
            "|---|---|---|---|---|",
        ]
    for each in outcomes:
        said = each.left_out and f"left out: {each.left_out}"
        cells = (each.name, each.steps, f"{each.seconds:.1f}", each.inside, said or each.wrong or "the same bits")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    if cases:
        lines += [
            "",
            "| layer | batch, longest, inputs, hidden | input | ours, ms | torch.nn, ms | observed, ms | apart |",
        ]
        lines.append("|---|---|---|---|---|---|---|")
    for case in cases:
        times = " | ".join(f"{number:.2f}" for number in (case.ours, case.torchs, case.observed))
        form = "packed" if case.packed else "padded"
        lines.append(f"| {case.kind} | {', '.join(map(str, case.shape))} | {form} | {times} | {case.apart:.0e} |")
    return "\n".join(lines)


def renew(path: Path, text: str) -> None:
    """Put figures between the marks of a file. Raises `UserError` where they are not there, or it cannot be written."""
    try:
        before, _, rest = path.read_text(encoding="utf-8").partition(MARKS[0])
        _, mark, after = rest.partition(MARKS[1])
        if not mark:
            raise UserError(f"{path} has no place for figures: it needs the lines {MARKS[0]} and {MARKS[1]}")
        path.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{mark}{after}", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be renewed: {error.strerror}") from None


def main() -> None:
    """Check, say what did not hold, and write the figures."""
    options = cli.parse(Options, "python -m tests.gpu", sys.argv[1:], __doc__)
    names, layers = chosen(options)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU that torch can use: nothing was checked, and docs/machines/gpu.md stays as it is")
        return
    until, device = time.monotonic() + 60 * options.minutes, torch.device(options.device)
    outcomes = trained(names, options, until)  # first: a run must settle a GPU's numbers before anything uses it
    cases, wrong = compared(device, until) if layers else ([], [])
    wrong += [f"{each.name}: {each.wrong}" for each in outcomes if each.wrong]
    machine = torch.cuda.get_device_name(device) if options.device == "cuda" else f"a processor, {processor()}"
    text = figures(machine, outcomes, cases)
    path = options.write or (Path("docs/machines/gpu.md") if options.device == "cuda" else None)
    if path is None:
        print(text)
    else:
        renew(path, text)
        print(f"figures: {path}")
    if wrong:
        print(f"{len(wrong)} did not hold: {'; '.join(wrong)}")
        sys.exit(1)


if __name__ == "__main__":
    cli.main(main)
