"""One layer of any cell in one direction, taken apart after a call: gates, and total gradients through time.

As `_replay` does for the cells that have a native kernel; here from the cell's equations alone, step by step.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from rnnkit.nn import Pass, before, gates_of
from rnnkit.observation._replay import Gradients, carry


class StepReplay:
    """What one layer did in one direction over packed rows, from what went in and what came out."""

    def __init__(self, work: Pass):
        self.work, self.x, self.h = work, work.x, work.states[0]

    @property
    def states(self) -> dict[str, Tensor]:
        """All parts of the state by their letters, of shape (rows, hidden) each."""
        return dict(zip(self.work.cell.states, self.work.states, strict=True))

    @cached_property
    def gates(self) -> dict[str, Tensor]:
        """The gates after activation, of shape (rows, hidden) each."""
        return gates_of(self.work)

    @property
    def starts(self) -> tuple[Tensor, ...]:
        """What each step starts from: x_t, and the state before."""
        return self.x, *before(self.work)

    def gradients(self, direct: Tensor | None, finals: Sequence[Tensor | None]) -> Gradients:
        """Backpropagation through time (Werbos, 1990), from the gradients that reach the states directly.

        These are `direct`, of shape (rows, hidden), for the outputs, and `finals`, of shape (batch, hidden), for the
        parts of the final state; None for zeros. Each step's are its vector-Jacobian product with those after it.
        """
        work, schedule = self.work, self.work.schedule
        totals = [torch.zeros_like(part) for part in work.states]
        if direct is not None:
            totals[0] += direct
        ends = schedule.all_ends.to(self.x.device)
        for total, final in zip(totals, finals, strict=False):
            if final is not None:
                total.index_add_(0, ends, final)
        x = work.cell.inputs(work.weights, self.x)
        of_x, starts = torch.empty_like(x), before(work)
        of_starts = [torch.empty_like(part) for part in starts]
        stays = [part if isinstance(part, Tensor) else torch.full_like(self.h, part) for part in work.masks.stays]
        groups = (totals, starts, of_starts, stays)
        (chunk,) = schedule.chunks

        def back(parts: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
            cut = list(zip(*(schedule.steps_back(part, chunk) for part in parts), strict=True))
            return cut or [()] * len(chunk.sizes)

        after: Sequence[Tensor] = [total[:0] for total in totals]
        for x_t, of_x_t, *parts in zip(
            schedule.steps_back(x, chunk), schedule.steps_back(of_x, chunk), *map(back, groups), strict=True
        ):
            total, start, of_start, stays_t = parts
            for grad, into in zip(after, total, strict=True):
                carry(grad, into, lambda rows, out: out.add_(rows))
            found = self._through(x_t, start, total, stays_t)
            for into, grad in zip((of_x_t, *of_start, *total), found, strict=True):
                into.zero_() if grad is None else into.copy_(grad)
            after = of_start
        begins = schedule.all_begins.to(self.x.device)
        letters = work.cell.states
        initial = {letter: grad[begins] for letter, grad in zip(letters, of_starts, strict=True)}
        return Gradients(dict(zip(letters, totals, strict=True)), initial, of_x)

    def to_input(self, gradients: Gradients, columns: slice) -> Tensor:
        """The gradient of some columns of what the layer read, of shape (rows, columns)."""
        with torch.enable_grad():
            x = self.x.detach().requires_grad_()
            made = self.work.cell.inputs(self.work.weights, x)
        (found,) = torch.autograd.grad(made, x, gradients.gates)
        return found[:, columns]

    def _through(
        self, x: Tensor, start: Sequence[Tensor], total: Sequence[Tensor], stays: Sequence[Tensor]
    ) -> tuple[Tensor | None, ...]:
        """The gradients of a step's x, start and state from those of the state that come from later; None for zeros.

        A part of the state may go into another of the same step, as c goes into h.
        """
        work = self.work
        with torch.enable_grad():
            leaves = [part.detach().requires_grad_() for part in (x, *start)]
            x, *state = leaves
            read = state[0] if work.masks.read is None else state[0] * work.masks.read[: len(x)]
            new, _ = work.cell.advance(work.weights, x, read, tuple(state))
            if stays:
                new = tuple(torch.lerp(n, s, part) for n, s, part in zip(new, state, stays, strict=True))
        learns = [i for i, part in enumerate(new) if part.requires_grad]  # not what is kept for its size alone
        parts, grads = [new[i] for i in learns], [total[i] for i in learns]
        found = torch.autograd.grad(parts, [*leaves, *parts], grads, allow_unused=True)
        of_new = dict(zip(learns, found[len(leaves) :], strict=True))
        return (*found[: len(leaves)], *(of_new.get(i) for i in range(len(new))))
