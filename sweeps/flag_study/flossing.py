"""Gradient flossing: Lyapunov exponents are pushed towards 0 before training (Engelken, Gradient Flossing, 2023).

Where the largest ones are 0, what a state holds neither fades nor explodes on its way through time, and nor does a
gradient. Layer by layer, from the lowest: what a layer reads depends on those below it.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnnkit import sequences
from rnnkit.diagnostics import dynamics, layer_inputs, monitor
from rnnkit.nn import Cell, Layers, Place, cell_of, places
from rnnkit.nn.cells import State, Weights


COUNT = 8  # exponents, or a quarter of a small layer's states
LENGTH, WARM_UP = 50, 10  # steps of one sequence
STEPS, RATE = 60, 0.01  # of Adam


def floss(model: nn.Module, run: Callable[[], object], steps: int = STEPS) -> None:
    """Change the recurrent weights of a model so that exponents along what it reads while `run()` runs come near 0."""
    for name, module in {name: module for name, (module, *_) in layer_inputs(model, run).items()}.items():
        for place in places(module):
            _, inputs, initial = layer_inputs(model, run)[name]
            trace = monitor.seen(module, inputs, initial)[str(place)]
            owner, time = sequences.owners(trace.hidden), sequences.times(trace.hidden, place.backward)
            rows = (owner == int(torch.bincount(owner).argmax())).nonzero().flatten()
            floss_layer(module, place, trace.starts[0][rows[time[rows].argsort()]][:LENGTH], steps)


def floss_layer(module: Layers, place: Place, x: Tensor, steps: int) -> None:
    """Floss one layer and direction along its inputs `x`, of shape (steps, features). Its weights change in place."""
    cell, known = cell_of(module), dynamics.weights_of(module, place)
    learned = {name: weight.detach().double().clone().requires_grad_() for name, weight in known.items()}
    size = module.hidden_size * len(cell.states)
    optimizer = torch.optim.Adam(learned.values(), lr=RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        exponents(
            cell, learned, x.double(), module.hidden_size, max(min(COUNT, size // 4), 1)
        ).square().sum().backward()
        optimizer.step()
    with torch.no_grad():
        for name, weight in known.items():
            weight.copy_(learned[name])


def exponents(cell: Cell, weights: Weights, x: Tensor, hidden: int, count: int) -> Tensor:
    """The `count` largest Lyapunov exponents, of shape (count,), as `dynamics` has them, with gradients to weights."""

    def of_one(joined: Tensor, x: Tensor) -> Tensor:
        return torch.cat(step(x.unsqueeze(0), joined.unsqueeze(0).split(hidden, dim=1)), dim=1).squeeze(0)

    def step(x: Tensor, state: State) -> State:
        return cell.advance(weights, cell.inputs(weights, x), state[0], state)[0]

    state: State = (x.new_zeros(1, hidden),) * len(cell.states)
    joined = []
    for row in x.unsqueeze(1):
        joined.append(torch.cat(state, dim=1))
        state = step(row, state)
    jacobians = torch.func.vmap(torch.func.jacrev(of_one))(torch.cat(joined), x)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(hidden * len(cell.states), count, dtype=x.dtype, device="cpu", generator=generator)
    q, sums = torch.linalg.qr(drawn).Q, x.new_zeros(count)
    warm_up = min(WARM_UP, len(x) // 2)
    for t, jacobian in enumerate(jacobians):
        q, r = torch.linalg.qr(jacobian @ q)
        if t >= warm_up:
            sums = sums + r.diagonal().abs().log()
    return sums / (len(x) - warm_up)
