"""One long sequence to batches: contiguous streams for truncated backpropagation through time, chunks at any start."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnkit.core import UserError, require_counts, seeding


State = Tensor | tuple[Tensor, ...] | None  # what a chunk hands on to the next: h, or all parts, an LSTM's (h, c)


@dataclass(frozen=True)
class Chunk:
    """Steps of several streams: `inputs` and, one step on, `targets`, both of shape (batch, steps)."""

    inputs: Tensor
    targets: Tensor

    @property
    def valid_steps(self) -> int:
        """The steps of all streams together."""
        return self.inputs.numel()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Chunk":
        """The same chunk on `device`; `non_blocking` is `Tensor.to`'s."""
        return Chunk(*(part.to(device, non_blocking=non_blocking) for part in (self.inputs, self.targets)))

    def pin_memory(self) -> "Chunk":
        """The same chunk in pinned memory."""
        return Chunk(self.inputs.pin_memory(), self.targets.pin_memory())


def contiguous(ids: Tensor, streams: int, steps: int) -> Iterator[Chunk]:
    """A text cut into `streams` equal pieces that are read side by side, `steps` at a time.

    Each chunk goes on where the one before it stopped, so that the state can be carried over: truncated
    backpropagation through time (Williams & Peng, 1990). The last chunk may be shorter. Of `ids`, of shape (length,),
    the last (length - 1) mod `streams` are left out: `left_out` counts them. Raises `UserError` for too short a text,
    and for no streams or no steps.
    """
    require_counts(streams=streams, steps=steps)
    length = (len(ids) - 1) // streams
    if length < 1:
        raise UserError(f"a text of {len(ids)} symbols cannot be read as {streams} streams: take fewer")
    inputs = ids[: streams * length].view(streams, length)
    targets = ids[1 : streams * length + 1].view(streams, length)
    for start in range(0, length, steps):
        yield Chunk(inputs[:, start : start + steps], targets[:, start : start + steps])


def left_out(ids: Tensor, streams: int) -> int:
    """How many targets `contiguous` leaves out at the end. Raises `UserError` for no streams."""
    require_counts(streams=streams)
    return (len(ids) - 1) % streams


def chunks_at_random(ids: Tensor, batch_size: int, steps: int, count: int, seed: int, epoch: int) -> Iterator[Chunk]:
    """`count` batches of chunks of `steps`, starting anywhere in `ids`: a pure function of seed and epoch.

    No start comes twice in an epoch, as long as there are enough. Raises `UserError` for too short a text, and where
    one of the three numbers is not at least 1.
    """
    require_counts(batch_size=batch_size, steps=steps, count=count)
    places = len(ids) - steps
    if places < 1:
        raise UserError(f"a text of {len(ids)} symbols has no chunk of {steps} steps and the one after: take fewer")
    generator = seeding.generator(seed, "order", epoch)
    offsets = torch.arange(steps + 1, device="cpu")
    starts = torch.empty(0, dtype=torch.long, device="cpu")
    for _ in range(count):
        # A permutation is drawn when it is needed: those of all batches together can be more than memory holds.
        if (missing := batch_size - len(starts)) > 0:
            drawn = [torch.randperm(places, generator=generator, device="cpu") for _ in range(-(-missing // places))]
            starts = torch.cat([starts, *drawn])
        rows = ids[starts[:batch_size].unsqueeze(1) + offsets]
        starts = starts[batch_size:]
        yield Chunk(rows[:, :-1], rows[:, 1:])


def mapped(function: Callable[[Tensor], Tensor], state: State) -> State:
    """A recurrent state with a function applied to its parts: cut from its graph, say, or moved to a device."""
    if isinstance(state, tuple):
        return tuple(map(function, state))
    return None if state is None else function(state)
