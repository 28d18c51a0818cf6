"""Tasks for which a net has to remember: adding, copying, temporal order. Made from a random stream, no download.

Each is a function of its length T and returns a `Task`: how to make examples of it, and beside that the losses of nets
that do not remember, and of the best possible one, all by calculation. A loss is the mean squared error of a sum, or
the cross-entropy of a class in nats, for each sequence or for each step. (The Reber grammar is in `reber`.)

>>> adding(200).without_memory == 2 / 12, round(copying(1_000).without_memory, 4)
(True, 0.0204)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from rnnkit.sequences import Examples


@dataclass(frozen=True)
class Task:
    """Sequences to learn from, how answers to them are scored, and what nets that do not remember reach.

    `features` are the numbers of a step, `scores` those that a net gives: one for each class, or the sum. `every_step`
    says whether it gives them at each step, or once for the sequence. `make(count, generator)` makes examples.

    `right(given, examples)`, given a tensor for each example, says which of those answers are right that take memory;
    None where an answer is a number, none of which is just right.

    The other losses are expected values: `without_memory` of a net that knows all but what has to be remembered,
    `own_input` of one that at each step knows the input of this step alone, `best` of the best possible net.
    `without_memory_on(examples)` and so on are what these nets have on just these examples, None where it is the same
    on all. (On 2,000 examples of adding it is 2 % to either side of 2/12.)
    """

    features: int
    scores: int
    every_step: bool
    make: Callable[[int, Generator], Examples]
    without_memory: float
    own_input: float
    best: float = 0.0
    without_memory_on: Callable[[Examples], float] | None = None
    own_input_on: Callable[[Examples], float] | None = None
    best_on: Callable[[Examples], float] | None = None
    right: Callable[[list[Tensor], Examples], Tensor] | None = None


def adding(length: int) -> Task:
    """Two of T numbers are marked: what is their sum?

    A step holds a number, uniform in [0, 1), and a mark, 0 or 1. One mark is in the first half of the steps, one in the
    second half but for the last step, so that whoever sees the last step alone knows neither number; his best
    answer is 1, and his squared error the variance of a sum of two uniform numbers, 2/12 (0.1667, not the 0.1767 that
    is often printed). T is 4 or more.

    Hochreiter & Schmidhuber, Long Short-Term Memory, 1997, experiment 4; in the form of Arjovsky, Shah & Bengio,
    Unitary Evolution Recurrent Neural Networks, 2016, but for that last step.
    """
    half = length // 2

    def make(count: int, generator: Generator) -> Examples:
        numbers = torch.rand(count, length, generator=generator, dtype=torch.float32, device="cpu")
        first = torch.randint(half, (count, 1), generator=generator, device="cpu")
        second = torch.randint(half, length - 1, (count, 1), generator=generator, device="cpu")
        marks = torch.zeros(count, length, dtype=torch.float32, device="cpu").scatter_(
            1, torch.cat([first, second], dim=1), 1.0
        )
        return Examples(list(torch.stack([numbers, marks], dim=2)), (numbers * marks).sum(1))

    def nothing_on(examples: Examples) -> float:
        return (torch.stack(list(examples.targets)).double() - 1).square().mean().item()

    task = Task(2, 1, every_step=False, make=make, without_memory=2 / 12, own_input=2 / 12)
    return replace(task, without_memory_on=nothing_on, own_input_on=nothing_on)


COPIED = 10  # symbols to copy
BLANK, GO = 8, 9  # after the symbols 0..7


def copying(length: int) -> Task:
    """Ten symbols, T steps of waiting, then the ten symbols are to be said again: T + 20 steps in all.

    Input: ten of 8 symbols, T - 1 blanks, the sign to begin, ten blanks. Target at each step: T + 10 blanks, then the
    ten symbols. Whoever knows the time but no symbol needs 10 ln 8 nats a sequence. Whoever sees his own input alone
    cannot even tell the blanks of the waiting from those at the end, and needs more. T is 1 or more.

    Hochreiter & Schmidhuber, 1997, and Arjovsky, Shah & Bengio, 2016, section 5.1.
    """
    steps = length + 2 * COPIED

    def make(count: int, generator: Generator) -> Examples:
        symbols = torch.randint(BLANK, (count, COPIED), generator=generator, device="cpu")
        blanks = torch.full((count, steps - COPIED), BLANK, device="cpu")
        inputs = torch.cat([symbols, blanks], dim=1)
        inputs[:, COPIED + length - 1] = GO
        targets = torch.cat([blanks, symbols], dim=1)
        return Examples(list(torch.eye(GO + 1, dtype=torch.float32, device="cpu")[inputs]), list(targets))

    def right(given: list[Tensor], examples: Examples) -> Tensor:
        copies = torch.stack([scores[-COPIED:].argmax(1) for scores in given])
        return (copies == torch.stack([targets[-COPIED:] for targets in examples.targets])).flatten()

    without, own = COPIED * math.log(8) / steps, nats([length - 1] + [COPIED / 8] * 8) / steps
    return Task(GO + 1, BLANK + 1, every_step=True, make=make, without_memory=without, own_input=own, right=right)


_ORDER = "EBabcdXY"


def temporal_order(length: int) -> Task:
    """Among random symbols, two that count: X or Y, then X or Y. Which of the four cases is it?

    A sequence has T to 1.1 T symbols: E, then random ones of a, b, c, d, and B at the end. The symbol at one place
    from T/10 to T/5 is X or Y, and so is that at one place from T/2 to 3T/5 (places counted from 0). Whoever sees the
    last step alone sees a B. T is 10 or more.

    Hochreiter & Schmidhuber, 1997, experiment 6a, where T is 100.
    """
    e, b, a, x = (_ORDER.index(symbol) for symbol in "EBaX")

    def make(count: int, generator: Generator) -> Examples:
        def uniform(low: int, high: int, size: tuple[int, int] = (count, 1)) -> Tensor:
            return torch.randint(low, high + 1, size, generator=generator, device="cpu")

        first, second = uniform(length // 10, length // 5), uniform(length // 2, 3 * length // 5)
        which = uniform(0, 1, (count, 2))
        symbols = uniform(a, a + 3, (count, length + length // 10))
        symbols.scatter_(1, torch.cat([first, second], dim=1), x + which)
        lengths = uniform(length, length + length // 10)
        symbols[:, :1] = e
        symbols.scatter_(1, lengths - 1, b)
        sequences = torch.eye(len(_ORDER), dtype=torch.float32, device="cpu")[symbols]
        inputs = [sequence[:steps] for sequence, steps in zip(sequences, lengths.flatten().tolist(), strict=True)]
        return Examples(inputs, 2 * which[:, 0] + which[:, 1])

    def right(given: list[Tensor], examples: Examples) -> Tensor:
        return torch.stack(given).argmax(1).eq(torch.as_tensor(examples.targets, device="cpu"))

    nothing = math.log(4)
    return Task(len(_ORDER), 4, every_step=False, make=make, without_memory=nothing, own_input=nothing, right=right)


def nats(counts: Sequence[float]) -> float:
    """What naming each of so many things of each kind costs whoever knows how often each kind comes, and no more."""
    total = sum(counts)
    return sum(count * math.log(total / count) for count in counts if count)
