"""A recurrent layer as a dynamical system: Jacobians of a step, Lyapunov exponents, spectra of recurrent weights.

The state of an LSTM is (h, c), joined in this order. Leaving c out would miss that c passes from step to step almost
unchanged where the forget gate is open: a net that remembers would look as if it forgot.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnkit.nn import Layers, Place, Recurrent, cell_of
from rnnkit.nn.cells import State


STEPS = 32  # whose Jacobians are computed at once


def jacobians(module: Layers, starts: Sequence[Tensor], layer: int = 0, backward: bool = False) -> Tensor:
    """The Jacobians of steps of one layer and direction, of shape (steps, state, state), in float64.

    d s_t / d s_{t-1}, where s are all parts of the state, joined: h, or (h, c). `starts` holds what the steps start
    from: inputs of shape (steps, features), and the parts of the state, of shape (steps, hidden) each, as `observe`
    sees them. They come from the cell's equations, by automatic differentiation.
    """
    x, *state = (part.detach().double() for part in starts)
    return jacobians_of(_step(module, Place(layer, backward)), x, state).detach()


def jacobians_of(step: Callable[[Tensor, State], State], x: Tensor, state: Sequence[Tensor]) -> Tensor:
    """The Jacobians of `step` from rows of inputs and parts of the state, with gradients to what it computes with."""
    hidden = state[0].shape[1]

    def of_one(joined: Tensor, x: Tensor) -> Tensor:
        parts = joined.unsqueeze(0).split(hidden, dim=1)
        return torch.cat(step(x.unsqueeze(0), parts), dim=1).squeeze(0)

    return torch.func.vmap(torch.func.jacrev(of_one), chunk_size=STEPS)(torch.cat(tuple(state), dim=1), x)


def lyapunov_exponents(
    module: Layers,
    inputs: Tensor,
    count: int,
    *,
    layer: int = 0,
    backward: bool = False,
    state: Tensor | tuple[Tensor, ...] | None = None,
    warm_up: int = 20,
) -> Tensor:
    """The `count` largest Lyapunov exponents of one layer and direction along an input, of shape (count,), in float64.

    lambda_i = mean_t ln |R_t,ii|, where Q_t R_t = J_t Q_{t-1} and J_t is the Jacobian of step t (Benettin et al.,
    Lyapunov Characteristic Exponents for Smooth Dynamical Systems, 1980; for trained nets Vogt et al., On Lyapunov
    Exponents for RNNs, 2022). In nats a step, the largest first. Near 0 the layer can hold a state for long, far below
    it forgets in -1 / lambda_1 steps, above 0 it is chaotic.

    Args:
        module: the layers; with weights in float32 too, it is computed in float64.
        inputs: what comes into this layer, of shape (steps, features), in the direction's own time.
        count: up to the size of the state: hidden, or twice that for an LSTM, whose state is (h, c).
        state: the initial h, of shape (hidden,), or all parts of the state, (h, c) say; zeros by default.
        warm_up: steps left out at the start, until Q has turned to the directions that grow most; half of all steps
            where they are fewer. Directions are drawn with a seed of their own.

    An exponent is -inf where a Jacobian is singular (relu units that are off).
    """
    step = _step(module, Place(layer, backward))
    inputs = inputs.detach().double()
    parts = len(cell_of(module).states)
    given = (state,) if isinstance(state, Tensor) else state or (inputs.new_zeros(module.hidden_size),) * parts
    now, size = tuple(part.detach().double().reshape(1, -1) for part in given), module.hidden_size * parts

    def along() -> Iterator[Tensor]:
        state = now
        for some in inputs.split(STEPS):
            starts = [state]
            for x in some.unsqueeze(1):
                starts.append(step(x, starts[-1]))
            state = starts.pop()
            yield from jacobians_of(step, some, [torch.cat(part) for part in zip(*starts, strict=True)])

    found = growth(along(), directions(size, count, inputs), min(warm_up, len(inputs) // 2))
    return found.sort(descending=True).values


def directions(size: int, count: int, like: Tensor) -> Tensor:
    """Orthonormal directions to start from, of shape (size, count), drawn with a seed of their own."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(size, count, dtype=torch.float64, device="cpu", generator=generator)
    return torch.linalg.qr(drawn).Q.to(like.device)


def growth(jacobians: Iterable[Tensor], q: Tensor, warm_up: int) -> Tensor:
    """mean_t ln |R_t,ii| after `warm_up` steps, of shape (count,), where Q_t R_t = J_t Q_{t-1}, from Q_0 = `q`."""
    sums, steps = q.new_zeros(q.shape[1]), 0
    for steps, jacobian in enumerate(jacobians, start=1):
        q, r = torch.linalg.qr(jacobian @ q)
        if steps > warm_up:
            sums = sums + r.diagonal().abs().log()
    return sums / (steps - warm_up)


def weights_of(module: Layers, place: Place) -> dict[str, Tensor]:
    """The weights of one layer and direction by the names that its cell's equations have for them."""
    if isinstance(module, Recurrent):
        return module.parameters_of(place)
    if module.proj_size:
        raise ValueError("the Jacobian of an LSTM with proj_size is not written down here")
    like, stated = next(module.parameters()), cell_of(module).parameters(module.input_size, module.hidden_size)
    return {
        name: getattr(module, f"{name}_{place.suffix}", like.new_zeros(each.shape))  # zeros for no biases
        for name, each in stated.items()
    }


def _step(module: Layers, place: Place) -> Callable[[Tensor, State], State]:
    """A step of one layer and direction as in evaluation, in float64: from rows of inputs and states to states."""
    cell, stays = cell_of(module), module.zoneout if isinstance(module, Recurrent) else 0.0
    weights = {name: weight.detach().double() for name, weight in weights_of(module, place).items()}

    def step(x: Tensor, state: State) -> State:
        new, _ = cell.advance(weights, cell.inputs(weights, x), state[0], state)
        return tuple(torch.lerp(n, s, stays) for n, s in zip(new, state, strict=True)) if stays else new

    return step


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues (complex) and singular values, of shape (hidden,), the largest first, and Henrici's index."""

    eigenvalues: Tensor
    singular_values: Tensor
    henrici: float


def spectrum(weight: Tensor) -> Spectrum:
    """The spectrum of a recurrent matrix W, of shape (hidden, hidden), in float64.

    Henrici's index sqrt(||W||_F^2 - sum |lambda|^2) / ||W||_F is 0 for a normal matrix and near 1 for one that passes
    the signal on and keeps none: there eigenvalues say little, and singular values bound a single step (Henrici, Bounds
    for Iterates, Inverses, Spectral Variation and Fields of Values of Non-normal Matrices, 1962; for recurrent nets
    Kerg et al., Non-normal Recurrent Neural Network, 2019). 0 for W = 0. Eigenvalues above 1 do not make a net unstable
    whose units saturate.
    """
    weight = weight.detach().double()
    eigenvalues = torch.linalg.eigvals(weight)
    eigenvalues = eigenvalues[eigenvalues.abs().argsort(descending=True, stable=True)]
    whole = weight.square().sum()
    beyond = (whole - eigenvalues.abs().square().sum()).clamp(min=0)
    henrici = (beyond / whole).sqrt().item() if whole > 0 else 0.0
    return Spectrum(eigenvalues, torch.linalg.svdvals(weight), henrici)


def gate_singular_values(weight_hh: Tensor) -> Tensor:
    """The singular values of each gate's block of W_hh, of shape (gates, hidden), the largest first, in float64.

    `weight_hh` is of shape (gates x hidden, hidden). Gates map no state to a state: eigenvalues mean nothing.
    """
    return torch.linalg.svdvals(weight_hh.detach().double().unflatten(0, (-1, weight_hh.shape[1])))
