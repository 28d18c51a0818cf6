"""Sequences to batches: examples of different lengths become packed sequences, in an order that a seed fixes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import require_counts, seeding
from rnnkit.sequences.examples import Examples, from_pairs, require_lengths, require_sequences


@dataclass(frozen=True)
class Batch:
    """A packed batch. `targets` and `lengths` stand in the order in which the examples came."""

    inputs: PackedSequence  # packed over (steps, features)
    targets: Tensor  # of shape (batch,), or of all valid steps, as the rows of `inputs.data`
    lengths: Tensor  # of shape (batch,), int64 on the CPU

    @property
    def valid_steps(self) -> int:
        """The steps of all its sequences together, without any padding."""
        return int(self.lengths.sum())

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch with inputs and targets on `device`; lengths stay on the CPU.

        `non_blocking` lets a copy from pinned memory to a GPU go on beside what follows.
        """
        return self._moved(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The same batch in pinned memory, as a `DataLoader` with `pin_memory=True` asks for it."""
        return self._moved(Tensor.pin_memory)

    def is_pinned(self) -> bool:
        """Whether inputs and targets lie in pinned memory."""
        return self.inputs.data.is_pinned() and self.targets.is_pinned()

    def _moved(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        data, batch_sizes, *order = self.inputs
        inputs = PackedSequence(move(data), batch_sizes, *(part if part is None else move(part) for part in order))
        return Batch(inputs, move(self.targets), self.lengths)


Pair = tuple[Tensor, "Tensor | float"]  # a sequence with its target: a number, or a tensor with one for each step


def collate(examples: Examples | Sequence[Pair]) -> Batch:
    """Pack the examples into one batch; `collate_fn` of a `DataLoader` over pairs of a sequence and its target.

    A target is a number or a tensor of shape () for the sequence, or a tensor of shape (steps,) or (steps, ...).

    Raises `UserError` for no examples, an empty sequence, sequences of unlike features or types, targets that do not
    fit or are themselves unlike, and for what is no tensor.
    """
    examples = examples if isinstance(examples, Examples) else from_pairs(examples)
    return next(Joined(examples, "a batch").batches([torch.arange(len(examples), device="cpu")]))


# Rows that are gathered at once: so many that each batch costs little, so few that no large data set is copied.
_BLOCK_ROWS = 2**17


class Joined:
    """Examples whose steps stand one after the other, which batches are gathered from, many at a time.

    Sequences that are slices of one tensor are gathered from there; all others are copied into one.
    What comes out is what `torch.nn.utils.rnn.pack_sequence` makes of a batch's sequences. Raises `UserError` as
    `collate` does, and calls the examples `what`.
    """

    def __init__(self, examples: Examples, what: str = "the data"):
        self._lengths = np.array(require_sequences(examples, what))
        self._for_each_step = isinstance(examples.targets, list)
        self._targets = examples.joined_targets
        slices = None if self._for_each_step else _slices(examples.inputs)
        self._inputs, self._starts = slices or (torch.cat(examples.inputs), self._lengths.cumsum() - self._lengths)

    def batches(self, order: Iterable[Tensor]) -> Iterator[Batch]:
        """The batches that an order names, each by the numbers of its examples."""
        block: list[np.ndarray] = []
        rows = 0
        for chosen in order:
            block.append(chosen.numpy(force=True))
            rows += int(self._lengths[block[-1]].sum())
            if rows >= _BLOCK_ROWS:
                yield from self._gathered(block)
                block, rows = [], 0
        if block:
            yield from self._gathered(block)

    def _gathered(self, block: list[np.ndarray]) -> Iterator[Batch]:
        """Batches, their rows gathered in one go. Where rows lie is worked out on the CPU, whatever the device."""
        chosen, counts = np.concatenate(block), np.array([len(numbers) for numbers in block])
        batch, first = np.repeat(np.arange(len(block)), counts), counts.cumsum() - counts
        lengths = self._lengths[chosen]
        in_order = np.lexsort((-lengths, batch))  # batch by batch, the longest first
        rank = np.arange(len(chosen)) - first[batch]
        sorted_lengths = lengths[in_order]
        # How many sequences of a batch have a step, for the steps of all batches one after the other (of no more places
        # than there are rows: batches can be many, and one sequence long), and where the rows of each step begin.
        longest = sorted_lengths[first]
        opens = longest.cumsum() - longest
        ends = np.bincount(opens[batch] + sorted_lengths - 1, minlength=longest.sum())
        ended = ends.cumsum() - ends  # before the step, those of all batches before included
        sizes = np.repeat(counts + first, longest) - ended
        begins = sizes.cumsum() - sizes
        example = np.repeat(np.arange(len(chosen)), sorted_lengths)  # for each row, in the order of examples
        step = np.arange(len(example)) - np.repeat(sorted_lengths.cumsum() - sorted_lengths, sorted_lengths)
        source = np.empty_like(example)
        source[begins[opens[batch[example]] + step] + rank[example]] = self._starts[chosen[in_order]][example] + step
        back = np.empty_like(in_order)
        back[in_order] = rank

        rows = torch.from_numpy(source).to(self._inputs.device)
        data = self._inputs.index_select(0, rows)
        picked = rows if self._for_each_step else torch.from_numpy(chosen)
        targets = self._targets.index_select(0, picked.to(self._targets.device))
        places = torch.from_numpy(in_order - first[batch]), torch.from_numpy(back)
        of_each: list[int] = counts.tolist()
        rows_of_each: list[int] = np.add.reduceat(lengths, first).tolist()
        pieces = zip(
            data.split(rows_of_each),
            torch.from_numpy(sizes).split(longest.tolist()),
            *(numbers.to(data.device).split(of_each) for numbers in places),
            targets.split(rows_of_each if self._for_each_step else of_each),
            torch.from_numpy(lengths).split(of_each),
            strict=True,
        )
        for its, steps, sorted_indices, unsorted_indices, of_them, its_lengths in pieces:
            packed = PackedSequence(its, steps, sorted_indices, unsorted_indices)
            yield Batch(packed, of_them, its_lengths)


def _slices(inputs: list[Tensor]) -> tuple[Tensor, np.ndarray] | None:
    """The tensor that all inputs are slices of, and the row that each begins with; None where there is none."""
    whole = inputs[0]._base
    if whole is None or whole.requires_grad or not whole.is_contiguous() or not whole.numel():
        return None
    form = whole.dtype, whole.shape[1:], whole.stride()
    if not all(one._base is whole and (one.dtype, one.shape[1:], one.stride()) == form for one in inputs):
        return None
    offsets = np.array([one.storage_offset() for one in inputs]) - whole.storage_offset()
    starts, within = np.divmod(offsets, whole.stride(0))
    return None if within.any() else (whole, starts)


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `count` examples, of shape (count,): a pure function of seed and epoch."""
    return torch.randperm(count, generator=seeding.generator(seed, "order", epoch), device="cpu")


def bucketed_order(lengths: Tensor, batch_size: int, seed: int, epoch: int, buckets: int = 50) -> list[Tensor]:
    """The examples of each batch of an epoch, batches of like lengths: a pure function of lengths, seed and epoch.

    A permutation is cut into pieces of `buckets` batches; each is sorted by length and cut into batches, and all
    batches are put in random order: sequences of a batch have like lengths, and every epoch has other batches. Raises
    `UserError` for no lengths, and where `batch_size` or `buckets` is not at least 1.
    """
    require_counts(batch_size=batch_size, buckets=buckets)
    require_lengths(lengths, "an order of batches")
    generator = seeding.generator(seed, "order", epoch)
    batches = []
    for piece in torch.randperm(len(lengths), generator=generator, device="cpu").split(buckets * batch_size):
        batches += piece[lengths[piece].sort(stable=True).indices].split(batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator, device="cpu").tolist()]


def by_length(lengths: Tensor, most: int, most_steps: int) -> list[Tensor]:
    """Examples from the shortest to the longest, in batches of at most `most` that have at most `most_steps` steps.

    For what is computed once, where only memory and time count. A sequence that has more steps is alone. Raises
    `UserError` where `most` or `most_steps` is not at least 1.
    """
    require_counts(most=most, most_steps=most_steps)
    order = lengths.argsort(stable=True)
    counts, steps = [0], 0
    for length in lengths[order].tolist():
        if counts[-1] and (counts[-1] == most or steps + length > most_steps):
            counts.append(0)
            steps = 0
        counts[-1] += 1
        steps += length
    return list(order.split(counts))


def gathered(examples: Examples, order: Sequence[Tensor]) -> Iterator[Batch]:
    """The batches that an order names. Raises `UserError` as `collate` does."""
    return Joined(examples).batches(order)


def shuffled_batches(examples: Examples, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
    """All examples once, shuffled by seed and epoch, in batches. Raises `UserError` as `collate` does."""
    require_counts(batch_size=batch_size)
    return gathered(examples, epoch_order(len(examples), seed, epoch).split(batch_size))


def batches(examples: Examples, batch_size: int) -> Iterator[Batch]:
    """All examples once, in batches, in their own order. Raises `UserError` as `shuffled_batches` does."""
    require_counts(batch_size=batch_size)
    return gathered(examples, torch.arange(len(examples), device="cpu").split(batch_size))
