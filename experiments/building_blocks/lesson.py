"""A lesson: what recurrent networks are made of, step by step, each done by hand and checked against the layers.

    python -m experiments.building_blocks
    python -m experiments.building_blocks --only 5,5b

Each block says what it is about, shows the equation and the numbers, and holds what was done by hand beside torch.nn's
layers and rnnkit's. It ends with an error where two ways that must agree do not.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass

from rnnkit.core import UserError, cli, wording


class Disagreement(Exception):
    """Two ways that must give the same do not. The message is one line that holds both values."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the lesson can be told."""

    only: str = "all"
    """Blocks to run, such as 5,5b,13; there are 1 to 16, and 5b and 6b."""


def blocks() -> dict[str, Callable[[], dict]]:
    """The blocks by number, in reading order. What a block prints first is its docstring."""
    # These load torch, which takes a second: --help need not wait for it.
    from experiments.building_blocks import models, one_layer, recurrence, words

    return {
        "1": one_layer.hidden_state,
        "2": one_layer.input_forms,
        "3": one_layer.layer_weights,
        "4": one_layer.sending_data,
        "5": recurrence.manual_recurrence,
        "5b": recurrence.b_hh_twice,
        "6": recurrence.linear_step,
        "6b": recurrence.linear_sentence,
        "7": recurrence.history_of_states,
        "8": words.embedding,
        "9": words.one_hot,
        "10": words.integer_indexing,
        "11": words.batch_of_one,
        "12": words.next_word_scores,
        "13": models.both_directions,
        "14": models.sentiment_rnn,
        "15": models.two_layers,
        "16": models.bidirectional_lstm,
    }


def chosen(only: str) -> dict[str, Callable[[], dict]]:
    """The blocks that `only` names, in reading order. Raises `UserError` for one that there is not."""
    known = blocks()
    wanted = [number.strip() for number in only.split(",")] if only != "all" else list(known)
    for number in wanted:
        if number not in known:
            raise UserError(f"there is no block {number!r}: choose from {', '.join(known)}, separated by commas")
    return {number: block for number, block in known.items() if number in wanted}


def run(only: str = "all") -> dict[str, dict]:
    """Print the blocks and check them; returns what each has found, by number.

    Raises `Disagreement`, which names the block, where two ways that must agree do not.
    """
    found = {}
    for number, block in chosen(only).items():
        title, _, text = (inspect.getdoc(block) or "").partition("\n\n")
        title, text = title.rstrip("."), text.partition("\n\nReturns ")[0]
        print(f"{number:<4}{title}\n{'-' * (4 + len(title))}\n\n{text}\n")
        try:
            found[number] = block()
        except Disagreement as error:
            raise Disagreement(f"block {number} ({title}): {error}") from None
        print("\n")
    print(f"{wording.count(len(found), 'block')}, and all that must agree agrees.")
    return found


def main() -> None:
    """Run the blocks that the command line names; exit with 1 where two ways disagree."""
    options = cli.parse(Options, "python -m experiments.building_blocks", sys.argv[1:], __doc__)
    try:
        run(options.only)
    except Disagreement as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    sys.stdout.flush()  # so that it is here that a reader who went away is noticed
