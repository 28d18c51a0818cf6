"""Gradient flossing: Lyapunov exponents are pushed towards 0 before training (Engelken, Gradient Flossing, 2023).

Where the largest ones are 0, what a state holds neither fades nor explodes on its way through time, and nor does a
gradient. Layer by layer, from the lowest: what a layer reads depends on those below it.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnnkit.diagnostics import dynamics, layer_inputs, monitor
from rnnkit.nn import Cell, Layers, Place, cell_of, places
from rnnkit.nn.cells import State, Weights
from sweeps.flag_study import scores


COUNT = 8  # exponents, or a quarter of a small layer's states
LENGTH, WARM_UP = 50, 10  # steps of one sequence
STEPS, RATE = 60, 0.01  # of Adam


def floss(model: nn.Module, run: Callable[[], object], steps: int = STEPS) -> None:
    """Change the recurrent weights of a model so that exponents along what it reads while `run()` runs come near 0."""
    for name, module in {name: module for name, (module, *_) in layer_inputs(model, run).items()}.items():
        for place in places(module):
            _, inputs, initial = layer_inputs(model, run)[name]
            trace = monitor.seen(module, inputs, initial)[str(place)]
            floss_layer(module, place, scores.longest(trace)[:LENGTH], steps)


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

    def step(x: Tensor, state: State) -> State:
        return cell.advance(weights, cell.inputs(weights, x), state[0], state)[0]

    state: State = (x.new_zeros(1, hidden),) * len(cell.states)
    starts = []
    for row in x.unsqueeze(1):
        starts.append(state)
        state = step(row, state)
    jacobians = dynamics.jacobians_of(step, x, [torch.cat(part) for part in zip(*starts, strict=True)])
    drawn = dynamics.directions(hidden * len(cell.states), count, x)
    return dynamics.growth(jacobians, drawn, min(WARM_UP, len(x) // 2))
