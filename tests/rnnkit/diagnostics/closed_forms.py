"""Jacobians of a step of RNN, GRU and LSTM in closed form, to compare with."""

import torch
from torch import Tensor

from rnnkit.nn import cells


def rnn_jacobian(
    x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, activation=torch.tanh
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
