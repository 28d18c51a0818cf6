"""Let a trained character model write, symbol by symbol.

    python -m experiments.sample char-lm-s0-1a2b3c4d
    python -m experiments.sample runs/char-lm-s0-1a2b3c4d --prompt "The island" --length 500 --temperature 0.5

Each symbol is drawn from softmax(scores / temperature): below 1 the likely ones become likelier still, above 1 all
become more alike. The same seed writes the same text. The dashboard shows it too, from media/samples.jsonl of the run.
"""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from experiments import char_lm
from rnnkit.core import RunsOptions, UserError, cli, files, seeding
from rnnkit.core import config as configuration
from rnnkit.runs import Manifest, Result, checkpoints, folders


if TYPE_CHECKING:
    import torch

    from rnnkit.nn import LanguageModel


@dataclass(frozen=True)
class Options(RunsOptions):
    """What to write, and with which run."""

    run: Annotated[str, tyro.conf.Positional]
    """A run of char_lm: its name, or its folder."""
    prompt: str = ""
    """What the text begins with; by default a line end, or where the text has none its first symbol."""
    length: int = 500
    """How many symbols to write."""
    temperature: float = 1.0
    """How freely: 0 always takes the likeliest symbol."""
    seed: int = 0
    """Seed of what is drawn."""

    def __post_init__(self):
        self._require("length", self.length >= 1, "at least 1")
        self._require("temperature", 0 <= self.temperature < float("inf"), "0 or more and finite")
        self._require("seed", 0 <= self.seed < 2**63, "0 or more and below 2^63")
        if self.seed and not self.temperature:
            raise UserError("--seed has no effect with --temperature 0, which draws nothing: leave one of them out")


def load(folder: Path) -> "tuple[LanguageModel, str]":
    """The trained model of a run's folder, and its symbols. Raises `UserError` where there is none."""
    from rnnkit.nn import models

    manifest = Manifest.read(folder)
    if manifest.experiment != "char_lm":
        raise UserError(f"{folder} is a run of {manifest.experiment}: only char_lm writes")
    if (result := Result.read(folder)) is None:
        raise UserError(f"{folder} has not finished: make resume RUN={folder.name} lets it go on")
    config = configuration.restored(char_lm.Config, manifest.config)
    checkpoint = checkpoints.trained(folder, result.weights_sha256)
    symbols = checkpoint.get("symbols")
    if not isinstance(symbols, str) or not symbols:
        raise UserError(f"{folder / 'checkpoint.pt'} holds no symbols: it is of another version")
    model = models.language_model(config, len(symbols), config.embedding_size, config.steps, tied=config.tied)
    model.load_state_dict(checkpoint["weights"])
    return model.eval(), symbols


def written(model: "LanguageModel", symbols: str, prompt: str, temperature: float, seed: int) -> Iterator[str]:
    """Symbols without end, each drawn given all before it. Raises `UserError` for a prompt with unknown symbols."""
    import torch

    places = {symbol: place for place, symbol in enumerate(symbols)}
    for position, symbol in enumerate(prompt, start=1):
        if symbol not in places:
            raise UserError(f"--prompt, symbol {position}: {symbol!r} is not in the text that the model learned")
    generator = seeding.generator(seed, "sample")
    state = None
    step = torch.inference_mode()(model.step)  # around each step: around a yield it would hold for who reads, too
    for symbol in prompt:
        scores, state = step(torch.tensor([places[symbol]], device="cpu"), state)
    while True:
        place = chosen(scores[0], temperature, generator)
        yield symbols[place]
        scores, state = step(torch.tensor([place], device="cpu"), state)


def chosen(scores: "torch.Tensor", temperature: float, generator: "torch.Generator") -> int:
    """One place drawn from softmax(scores / temperature), scores of shape (symbols,); the highest at temperature 0."""
    import torch

    if not temperature:
        return int(scores.argmax())
    below = (scores.double() - scores.max()) / temperature  # at most 0: however cold, nothing overflows upwards
    return int(torch.multinomial(torch.softmax(below, dim=0), 1, generator=generator))


def main() -> None:
    """Write to the terminal as it comes."""
    options = cli.parse(Options, "python -m experiments.sample", sys.argv[1:], __doc__)
    folder = folders.find(options.run, options.runs_dir)
    model, symbols = load(folder)
    prompt = options.prompt or ("\n" if "\n" in symbols else symbols[0])
    text = itertools.islice(written(model, symbols, prompt, options.temperature, options.seed), options.length)
    first = next(text)  # a prompt that cannot be read is said before anything is written
    print(options.prompt, end=first, flush=True)
    pieces = [options.prompt, first]
    for symbol in text:
        print(symbol, end="", flush=True)
        pieces.append(symbol)
    print()
    drawn = {"prompt": options.prompt, "temperature": options.temperature, "seed": options.seed}
    try:
        files.append_json(folder / "media" / "samples.jsonl", {**drawn, "text": "".join(pieces)})  # for the dashboard
    except OSError as error:  # somebody else's run, a full disk: it was written to the terminal all the same
        print(f"not kept in {folder / 'media'}: {error.strerror or error}", file=sys.stderr)


if __name__ == "__main__":
    cli.main(main, prints=True)
