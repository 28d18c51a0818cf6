"""The commands on a trained net: `python -m rnnkit.inference`, which experiments.predict and experiments.export are."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rnnkit.core import Checked, UserError, cli, extras, files, wording, writing


with extras.needed("experiments", "the command line"):
    import tyro


if TYPE_CHECKING:
    from rnnkit.inference.model import Model


@dataclass(frozen=True)
class Options(Checked):
    """What to answer, or where to write the net."""

    run: Annotated[str, tyro.conf.Positional]
    """The run: its name, its folder, or a .safetensors file that was exported."""
    file: Annotated[str, tyro.conf.Positional] = "-"
    """What to read: a file or folder of a format that the net learned from, or a sequence a line; - for the input."""
    to: Path | None = None
    """The file to write the answers to; else they are printed."""
    onnx: Path | None = None
    """Write the net as ONNX into this file, and answer nothing."""
    safetensors: Path | None = None
    """Write the weights, and what using them takes, into this file, and answer nothing."""
    runs_dir: Path = Path("runs")
    """Folder that holds the runs."""


def main(prog: str, description: str | None) -> None:
    """Answer what is asked on the command line, in the order of its rows; or write the net for other programs."""
    options = cli.parse(Options, prog, sys.argv[1:], description)
    from rnnkit.inference import model

    loaded = model.load(options.run, options.runs_dir)
    if options.onnx is not None or options.safetensors is not None:
        _export(options, loaded)
        return
    from rnnkit.inference import answering, reading
    from rnnkit.inference.writing import table

    if options.file == "-" and sys.stdin.isatty():
        print("reading a sequence a line from the terminal, to its end (Ctrl-D)", file=sys.stderr)
    asked = reading.sequences(loaded, None if options.file == "-" else Path(options.file))
    where = "standard input" if options.file == "-" else options.file
    names = [f"{where}, line {line}" for line in asked.lines]
    text = table(loaded.preprocessing, answering.answers(loaded, asked.inputs, names), asked.lines, asked.ids)
    if options.to is None:
        print(text, end="")
        return
    with writing(options.to, "--to"):
        files.write_named(options.to, text.encode())
    print(f"{wording.count(len(asked.inputs), 'answer')} in {options.to}")


def _export(options: Options, loaded: "Model") -> None:
    from rnnkit.inference import export

    if options.file != "-":
        raise UserError(f"{options.file} is not read where a net is written: leave it out")
    if options.onnx is not None:
        worst = export.onnx(loaded, options.onnx)
        checked = f"{export.SEQUENCES} sequences of 1 to {export.LONGEST} steps"
        print(f"{options.onnx}: scores on {checked} differ from ours by {worst:.1g} at most")
    if options.safetensors is not None:
        export.safetensors(loaded, options.safetensors)
        print(f"{options.safetensors}: rnnkit.load reads it, and so does any program for safetensors")
