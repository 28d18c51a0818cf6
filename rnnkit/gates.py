"""Statistics of the gates of an LSTM or GRU: how often they are shut or open, and how long units remember.

A gate is given by its values at all valid steps, of shape (valid steps, hidden). Only sigmoid gates are meant (i, f, o
of an LSTM, r, z of a GRU), not the candidates g and n. A gate that keeps the state (f; z, which keeps where it is 1 in
torch's GRU, the other way round than in some papers) is not ill where it is open nearly always: that is a long memory.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnkit.states import unit_std


LEFT, RIGHT = 0.1, 0.9


@dataclass(frozen=True)
class Gate:
    """What a gate does, unit by unit: all are of shape (hidden,), and their mean is that of the layer."""

    left: Tensor
    right: Tensor
    sensitivity: Tensor
    std: Tensor


def gate_statistics(gate: Tensor) -> Gate:
    """What a gate does over all valid steps, of shape (valid steps, hidden), unit by unit.

    - left, right: the share of steps with the gate below 0.1, above 0.9 (Karpathy, Johnson & Fei-Fei, Visualizing and
      Understanding Recurrent Networks, 2015);
    - sensitivity: the mean of 4 g (1 - g), 1 at g = 1/2: what a sigmoid passes of the gradient (Gu et al., Improving
      the Gating Mechanism of Recurrent Neural Networks, 2020, on saturation);
    - std: over the steps. Near 0 the gate ignores what comes in, and the unit is a plain leaky one; 0 for one step.
    """
    gate = gate.detach()
    return Gate(
        left=(gate < LEFT).to(gate.dtype).mean(dim=0),
        right=(gate > RIGHT).to(gate.dtype).mean(dim=0),
        sensitivity=(4 * gate * (1 - gate)).mean(dim=0),
        std=unit_std(gate),
    )


def timescales(keeping: Tensor) -> Tensor:
    """For each unit after how many steps 1/e of its state is left, of shape (hidden,): tau_j = -1 / mean_t ln f_tj.

    `keeping`, of shape (valid steps, hidden), is the gate that keeps the state: f of an LSTM, z of torch's GRU. Tallec
    & Ollivier, Can Recurrent Neural Networks Warp Time?, 2018. It tells how long the gate would keep a state, which is
    how long the net remembers only where gradients fade exponentially (Ohno & Kumagai, Recurrent Neural Networks for
    Learning Long-Term Temporal Dependencies with Reanalysis of Time Scale Representation, 2021). Infinite for a gate
    that is 1 throughout, 0 for one that is ever 0.
    """
    return 1 / torch.log(keeping.detach().double()).mean(dim=0).abs()
