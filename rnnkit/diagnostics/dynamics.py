"""A recurrent layer as a dynamical system: Jacobians of a step, Lyapunov exponents, spectra of recurrent weights.

The state of an LSTM is (h, c), joined in this order. Leaving c out would miss that c passes from step to step almost
unchanged where the forget gate is open: a net that remembers would look as if it forgot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rnnkit.nn import Place, cells


Activation = cells.Activation


def rnn_jacobian(
    x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, activation: Activation = torch.tanh
) -> Tensor:
    """dh_t / dh_{t-1} = diag(1 - h_t^2) W (relu: diag(h_t > 0) W) of `rnn_cell`, of shape (batch, hidden, hidden)."""
    h = cells.rnn_cell(x, h, w_ih, w_hh, b_ih, b_hh, activation)
    slope = (h > 0).to(h.dtype) if activation is torch.relu else 1 - h**2
    return slope.unsqueeze(-1) * w_hh


def gru_jacobian(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """dh_t / dh_{t-1} of `cells.gru_cell`, of shape (batch, hidden, hidden). With m = W_hn h_{t-1} + b_hn:

    diag(z) + diag((1 - z)(1 - n^2)) (diag(r) W_hn + diag(m r (1 - r)) W_hr) + diag((h_{t-1} - n) z (1 - z)) W_hz
    """
    i_r, i_z, i_n = (x @ w_ih.T + b_ih).chunk(3, dim=-1)
    h_r, h_z, m = (h @ w_hh.T + b_hh).chunk(3, dim=-1)
    w_r, w_z, w_n = w_hh.chunk(3)
    r, z = torch.sigmoid(i_r + h_r), torch.sigmoid(i_z + h_z)
    n = torch.tanh(i_n + r * m)
    of_n = (1 - z) * (1 - n**2)
    through_n = (of_n * r).unsqueeze(-1) * w_n + (of_n * m * r * (1 - r)).unsqueeze(-1) * w_r
    return torch.diag_embed(z) + through_n + ((h - n) * z * (1 - z)).unsqueeze(-1) * w_z


def lstm_jacobian(
    x: Tensor, state: tuple[Tensor, Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> Tensor:
    """d(h_t, c_t) / d(h_{t-1}, c_{t-1}) of `cells.lstm_cell`, of shape (batch, 2 hidden, 2 hidden).

    A = dc_t / dh_{t-1} = diag(g i (1 - i)) W_hi + diag(c_{t-1} f (1 - f)) W_hf + diag(i (1 - g^2)) W_hg
    dc_t / dc_{t-1} = diag(f)
    dh_t / dh_{t-1} = diag(o (1 - tanh^2 c_t)) A + diag(tanh(c_t) o (1 - o)) W_ho
    dh_t / dc_{t-1} = diag(o (1 - tanh^2 c_t) f)
    """
    h, c = state
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=-1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    w_i, w_f, w_g, w_o = w_hh.chunk(4)
    tanh_c = torch.tanh(f * c + i * g)
    of_c = o * (1 - tanh_c**2)
    c_by_h = (g * i * (1 - i)).unsqueeze(-1) * w_i + (c * f * (1 - f)).unsqueeze(-1) * w_f
    c_by_h = c_by_h + (i * (1 - g**2)).unsqueeze(-1) * w_g
    h_by_h = of_c.unsqueeze(-1) * c_by_h + (tanh_c * o * (1 - o)).unsqueeze(-1) * w_o
    of_h = torch.cat([h_by_h, torch.diag_embed(of_c * f)], dim=-1)
    return torch.cat([of_h, torch.cat([c_by_h, torch.diag_embed(f)], dim=-1)], dim=-2)


def jacobians(module: nn.RNNBase, starts: Sequence[Tensor], layer: int = 0, backward: bool = False) -> Tensor:
    """The Jacobians of steps of one layer and direction, of shape (steps, state, state), in float64.

    `starts` holds what the steps start from: inputs of shape (steps, features), states of shape (steps, hidden), and
    an LSTM's cell states of shape (steps, hidden), as `observe` sees them.
    """
    x, *state = (part.detach().double() for part in starts)
    _, jacobian, weights = _cell(module, layer, backward)
    return jacobian(x, tuple(state) if len(state) > 1 else state[0], *weights)


def lyapunov_exponents(
    module: nn.RNNBase,
    inputs: Tensor,
    count: int,
    *,
    layer: int = 0,
    backward: bool = False,
    state: Tensor | tuple[Tensor, Tensor] | None = None,
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
        state: the initial h, of shape (hidden,), or an LSTM's (h, c); zeros by default.
        warm_up: steps left out at the start, until Q has turned to the directions that grow most; half of all steps
            where they are fewer. Directions are drawn with a seed of their own.

    An exponent is -inf where a Jacobian is singular (relu units that are off).
    """
    step, jacobian, weights = _cell(module, layer, backward)
    inputs = inputs.detach().double()
    parts = 2 if isinstance(module, nn.LSTM) else 1
    given = (state,) if isinstance(state, Tensor) else state or (inputs.new_zeros(module.hidden_size),) * parts
    rows = tuple(part.detach().double().reshape(1, -1) for part in given)
    now, size = rows if parts == 2 else rows[0], module.hidden_size * parts
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(size, count, dtype=torch.float64, device="cpu", generator=generator)
    q = torch.linalg.qr(drawn).Q.to(inputs.device)
    warm_up = min(warm_up, len(inputs) // 2)
    sums = inputs.new_zeros(count)
    for t, x in enumerate(inputs.unsqueeze(1)):
        q, r = torch.linalg.qr(jacobian(x, now, *weights)[0] @ q)
        if t >= warm_up:
            sums += r.diagonal().abs().log()
        now = step(x, now, *weights)
    return (sums / (len(inputs) - warm_up)).sort(descending=True).values


def _cell(
    module: nn.RNNBase, layer: int, backward: bool
) -> tuple[Callable[..., Any], Callable[..., Tensor], list[Tensor]]:
    """The step of one layer and direction, its Jacobian, and its four weights in float64."""
    if module.proj_size:
        raise ValueError("the Jacobian of an LSTM with proj_size is not written down here")
    suffix = Place(layer, backward).suffix
    w_ih, w_hh = (getattr(module, f"weight_{part}_{suffix}").detach().double() for part in ("ih", "hh"))
    if module.bias:
        biases = [getattr(module, f"bias_{part}_{suffix}").detach().double() for part in ("ih", "hh")]
    else:
        biases = [w_ih.new_zeros(len(w_ih))] * 2
    if isinstance(module, nn.LSTM):
        step, jacobian = cells.lstm_cell, lstm_jacobian
    elif isinstance(module, nn.GRU):
        step, jacobian = cells.gru_cell, gru_jacobian
    elif module.nonlinearity == "relu":
        step, jacobian = (partial(function, activation=torch.relu) for function in (cells.rnn_cell, rnn_jacobian))
    else:
        step, jacobian = cells.rnn_cell, rnn_jacobian
    return step, jacobian, [w_ih, w_hh, *biases]


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
