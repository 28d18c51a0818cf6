"""Any cell over packed rows, in one direction of one layer: the general path, in plain torch operations.

What depends on the inputs alone is computed for all steps at once; then one step follows the other, or, where a cell
is linear in its state, all steps are one scan. Backward is autograd's: vector-Jacobian products of the steps, one
after the other. It runs on any device, and can be differentiated again.
"""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from rnnkit.nn.cells import Cell, Gates, State, Weights
from rnnkit.nn.kernels.scan import scan
from rnnkit.nn.modules import runs_plainly
from rnnkit.sequences import Schedule


@dataclass(frozen=True)
class Masks:
    """What a call multiplies and mixes along all steps: the same for all of them, or drawn for each."""

    read: Tensor | None = None  # of shape (batch, hidden): what h is multiplied with where products read it
    # How much of each part of the state stays as it was, of shape (rows, hidden) each, or one number for all.
    stays: tuple[Tensor | float, ...] = ()


@dataclass(frozen=True)
class Pass:
    """What one layer in one direction did in a call: all that gates and gradients follow from."""

    cell: Cell
    x: Tensor  # of shape (rows, inputs)
    weights: Weights  # those in force: some may have been dropped
    initial: State  # each of shape (batch, hidden), with the batch in packed order
    schedule: Schedule  # of one chunk
    masks: Masks = field(default_factory=Masks)
    states: State = ()  # each of shape (rows, hidden)

    def done(self, states: State) -> "Pass":
        """The same with its states."""
        return replace(self, states=states)


def states_of(work: Pass) -> State:
    """The states of all rows, of shape (rows, hidden) each, from what `work` says goes in."""
    cell, w, masks, schedule = work.cell, work.weights, work.masks, work.schedule
    x = cell.inputs(w, work.x)
    if cell.coefficients is not None and not masks.stays and runs_plainly():
        a, b, _ = cell.linear(w, x)
        return cell.states_of(w, x, scan(a, b, cell.scanned(work.initial), schedule))
    (chunk,) = schedule.chunks
    state = tuple(part[: chunk.sizes[0]] for part in work.initial)
    stays = [
        schedule.steps(part, chunk) if isinstance(part, Tensor) else [part] * len(chunk.sizes) for part in masks.stays
    ]
    done: list[State] = []
    for step, (count, x_t) in enumerate(zip(chunk.sizes, schedule.steps(x, chunk), strict=True)):
        if count < len(state[0]):  # the others have ended
            state = tuple(part[:count] for part in state)
        elif count > len(state[0]):  # the others begin
            before = len(state[0])
            state = tuple(
                torch.cat([part, first[before:count]]) for part, first in zip(state, work.initial, strict=True)
            )
        read = state[0] if masks.read is None else state[0] * masks.read[:count]
        new, _ = cell.advance(w, x_t, read, state)
        if stays:
            new = tuple(torch.lerp(n, s, part[step]) for n, s, part in zip(new, state, stays, strict=True))
        state = new
        done.append(state)
    ordered = done[::-1] if schedule.reverse else done
    return tuple(torch.cat(parts) for parts in zip(*ordered, strict=True))


def before(work: Pass) -> State:
    """For each row the state before it, of shape (rows, hidden) each."""
    rows = work.schedule.before.to(work.x.device)
    return tuple(torch.cat([s, s_0])[rows] for s, s_0 in zip(work.states, work.initial, strict=True))


def read_by(work: Pass, h: Tensor) -> Tensor:
    """The states before all rows as products read them."""
    if work.masks.read is None:
        return h
    layout = work.schedule.layout
    sequence = torch.arange(layout.rows, device="cpu") - layout.starts.repeat_interleave(layout.tensor)
    return h * work.masks.read[sequence.to(h.device)]


def gates_of(work: Pass) -> Gates:
    """The gates of all rows after activation, of shape (rows, hidden) each, from the states."""
    state = before(work)
    _, gates = work.cell.advance(work.weights, work.cell.inputs(work.weights, work.x), read_by(work, state[0]), state)
    return gates
