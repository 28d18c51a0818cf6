"""Statistics of recurrent states: their size, which units are dead, how many dimensions they fill, how they drift.

States are rows of shape (valid steps, hidden), or packed sequences of such rows: padding is never among them. All of
it holds for an LSTM's cell states too, save for what counts as saturated.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnnkit.sequences import means, owners, times


SATURATED = 0.95  # a tanh unit beyond this passes less than a tenth of the gradient
LEFT, RIGHT = 0.1, 0.9  # below and above: a gate that is shut, or open
DEAD = 0.01  # of the layer's median spread; any absolute bound would call layers dead that start small and learn well


def magnitude(rows: Tensor) -> tuple[float, float, float]:
    """How large states of shape (valid steps, hidden) are: mean and deviation of their RMS, and the share near +-1.

    The RMS of a step is ||h_t|| / sqrt(hidden); its standard deviation over the steps divides by their number, and is 0
    for one step. Saturated is the share of all units and steps with |h| > 0.95.
    """
    rms = torch.linalg.vector_norm(rows, dim=1) / math.sqrt(rows.shape[1])
    saturated = (rows.abs() > SATURATED).to(rows.dtype).mean()
    return rms.mean().item(), rms.std(correction=0).item(), saturated.item()


def unit_std(rows: Tensor) -> Tensor:
    """The standard deviation of each unit over all valid steps, of shape (hidden,): exactly 0 for a constant unit."""
    shifted = _shifted(rows)
    return (shifted - shifted.mean(dim=0)).square().mean(dim=0).sqrt()  # `std` takes five times as long


def dead_units(rows: Tensor) -> Tensor:
    """Which units hardly move, of shape (hidden,): std_j <= 1 % of the median std of the layer's units.

    Of states of shape (valid steps, hidden). Where half of the units and more are constant, the constant ones are dead.
    A single step tells nothing: no unit of it is dead.
    """
    if len(rows) < 2:
        return torch.zeros(rows.shape[1], dtype=torch.bool, device=rows.device)
    std = unit_std(rows)
    return std <= DEAD * std.median()


@dataclass(frozen=True)
class Dimensions:
    """How many dimensions states fill by three measures, and from how many valid steps they were estimated."""

    participation_ratio: float
    effective_rank: float
    k90: int
    steps: int


def dimensions(rows: Tensor) -> Dimensions:
    """How many dimensions states of shape (valid steps, hidden) fill, from the eigenvalues l of their covariance.

    - participation ratio: (sum l)^2 / sum l^2 (Abbott, Rajan & Sompolinsky, Interactions between Intrinsic and
      Stimulus-Evoked Activity, 2011);
    - effective rank: exp(-sum p ln p) with p = l / sum l (Roy & Vetterli, The Effective Rank, 2007);
    - k90: the fewest principal components that hold 90 % of the variance.

    k equal independent directions give k by the first two. Fewer than about ten steps for each unit bias them low.
    States that do not vary at all, and one step alone, give 0.
    """
    variances = torch.linalg.eigvalsh(_covariance(rows)[1]).clamp(min=0).flip(0)
    total = variances.sum()
    if total == 0:
        return Dimensions(0.0, 0.0, 0, len(rows))
    shares = variances / total
    enough = shares.cumsum(0) >= 0.9 - 1e-9  # rounding must not ask for one more
    return Dimensions(
        participation_ratio=(1 / shares.square().sum()).item(),
        effective_rank=torch.special.entr(shares).sum().exp().item(),
        k90=int((~enough).sum()) + 1,
        steps=len(rows),
    )


def participation_ratio(rows: Tensor) -> float:
    """The participation ratio alone, which takes no eigenvalues: (trace C)^2 / ||C||_F^2 of the covariance C."""
    covariance = _covariance(rows)[1]
    total = covariance.trace().square()
    return (total / covariance.square().sum()).item() if total > 0 else 0.0


@dataclass(frozen=True)
class Components:
    """Principal components, in float64."""

    mean: Tensor  # of shape (hidden,)
    basis: Tensor  # of shape (hidden, count)
    explained: Tensor  # of shape (count,): each one's share of the whole variance, the largest first


def principal_components(rows: Tensor, count: int) -> Components:
    """The `count` directions in which states of shape (valid steps, hidden) vary most (Pearson, 1901).

    The basis is orthonormal; of each direction and its opposite, the one whose largest entry is positive is taken, so
    that pictures do not flip. States that do not vary explain 0.
    """
    mean, covariance = _covariance(rows)
    variances, vectors = torch.linalg.eigh(covariance)  # the smallest first
    basis = vectors.flip(1)[:, :count]
    largest = basis.gather(0, basis.abs().argmax(dim=0, keepdim=True))
    total = variances.clamp(min=0).sum()
    explained = variances.clamp(min=0).flip(0)[:count]
    return Components(mean, basis * largest.sign(), explained / total if total > 0 else explained)


def project(rows: Tensor, components: Components) -> Tensor:
    """States of shape (valid steps, hidden) in the coordinates of a fixed basis, of shape (valid steps, count)."""
    return (rows.double() - components.mean) @ components.basis


def norm_drift(packed: PackedSequence, backward: bool = False) -> float:
    """How much ||h_t|| grows a step, in the direction's own time: the slope of least squares within sequences.

    Near 0 in a net that is stable beyond the lengths it learned on (Krueger & Memisevic, 2016); NaN without two steps.
    """
    norms = torch.linalg.vector_norm(packed.data, dim=1, dtype=torch.float64)
    return slope_within(times(packed, backward), norms, owners(packed))


def slope_within(moments: Tensor, values: Tensor, owner: Tensor) -> float:
    """The slope of `values` against `moments` by least squares, one slope for all and an intercept for each sequence.

    All are of shape (rows,); `owner` tells the sequence of each row. Were there one intercept for all, sequences that
    differ in level and in length would feign a slope. NaN where no sequence has two different moments.
    """
    count = len(torch.bincount(owner))
    moments, values = (rows - means(rows, owner, count)[owner] for rows in (moments.double(), values.double()))
    spread = moments.square().sum()
    return (moments @ values / spread).item() if spread > 0 else math.nan


def _shifted(rows: Tensor) -> Tensor:
    """Rows less the first one, in float64: the same spread, and no rounding where a unit is constant."""
    rows = rows.detach().double()
    return rows - rows[0]


def _covariance(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of rows, of shape (hidden,) and (hidden, hidden), in float64."""
    shifted = _shifted(rows)
    mean = shifted.mean(dim=0)
    centred = shifted - mean
    return mean + rows.detach()[0].double(), centred.T @ centred / len(rows)


def gate_statistics(gate: Tensor) -> dict[str, Tensor]:
    """What a gate does over all valid steps, of shape (valid steps, hidden), unit by unit: each of shape (hidden,).

    - left, right: the share of steps with the gate below 0.1, above 0.9 (Karpathy, Johnson & Fei-Fei, Visualizing and
      Understanding Recurrent Networks, 2015);
    - sensitivity: the mean of 4 g (1 - g), 1 at g = 1/2: what a sigmoid passes of the gradient (Gu et al., Improving
      the Gating Mechanism of Recurrent Neural Networks, 2020, on saturation);
    - std: over the steps. Near 0 the gate ignores what comes in, and the unit is a plain leaky one; 0 for one step.
    """
    gate = gate.detach()
    return {
        "left": (gate < LEFT).to(gate.dtype).mean(dim=0),
        "right": (gate > RIGHT).to(gate.dtype).mean(dim=0),
        "sensitivity": 4 * torch.addcmul(gate, gate, gate, value=-1).mean(dim=0),
        "std": unit_std(gate),
    }


def timescales(keeping: Tensor) -> Tensor:
    """For each unit after how many steps 1/e of its state is left, of shape (hidden,): tau_j = -1 / mean_t ln f_tj.

    `keeping`, of shape (valid steps, hidden), is the gate that keeps the state: f of an LSTM, z of torch's GRU. Tallec
    & Ollivier, Can Recurrent Neural Networks Warp Time?, 2018. It tells how long the gate would keep a state, which is
    how long the net remembers only where gradients fade exponentially (Ohno & Kumagai, Recurrent Neural Networks for
    Learning Long-Term Temporal Dependencies with Reanalysis of Time Scale Representation, 2021). Infinite for a gate
    that is 1 throughout, 0 for one that is ever 0.
    """
    return 1 / torch.log(keeping.detach().double()).mean(dim=0).abs()
