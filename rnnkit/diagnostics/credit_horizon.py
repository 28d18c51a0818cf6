"""How far back a recurrent network remembers and learns: gradients and losses by distance in time.

Packed sequences hold valid steps alone, so that padding is never read. Time is a direction's own: the backward one
begins at the last valid step of each sequence.
"""

import math
import statistics

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnnkit.diagnostics.states import slope_within
from rnnkit.sequences import means, owners, times


def horizon(rate: float) -> float:
    """After how many steps what fades by ln of a factor a step has left 1/e: infinite where it does not fade."""
    return math.inf if rate >= 0 else -1 / rate


def gradient_rate(initial: Tensor, last: Tensor, lengths: Tensor) -> float:
    """How fast the gradient fades on its way from the last state to the initial one.

    rho = median over sequences of ln(||dL/ds_0|| / ||dL/dh_T||) / T; its `horizon` is tau = -1 / rho in steps. Its
    factor over a task's span, exp(rho T), says whether the gradient vanishes or explodes (Pascanu, Mikolov & Bengio, On
    the Difficulty of Training Recurrent Neural Networks, 2013).

    Args:
        initial: dL/ds_0, of shape (batch, state): of an LSTM those of h and c joined.
        last: dL/dh_T at the last step that the direction reads, of shape (batch, hidden).
        lengths: of shape (batch,).

    L should be the loss of the last step alone: with losses at all steps the nearest ones outweigh the rest. Sequences
    without a gradient at the last step are left out; the rate is NaN if no others are there. A gradient that became 0
    on its way has the rate -inf and the horizon 0; in float32 that is any which fell below about 1e-38.
    """
    start = torch.linalg.vector_norm(initial.detach(), dim=1, dtype=torch.float64)  # squares of 1e-20 are 0 in float32
    end = torch.linalg.vector_norm(last.detach(), dim=1, dtype=torch.float64)
    rates = (start.log() - end.log()) / lengths.to(start.device)
    return statistics.median(found) if (found := rates[end > 0].tolist()) else math.nan


def gradient_by_lag(hidden: PackedSequence, cell: PackedSequence | None = None, backward: bool = False) -> Tensor:
    """How much of the gradient is left k steps before the loss, of shape (steps of the longest,), by k from 0.

    G_k = mean over sequences of ||dL/dh_{s-k}|| / ||dL/dh_s||, where s is the last step that the direction reads and L
    the loss of that step alone. It fades geometrically in nets that forget (Aicher, Foti & Fox, Adaptively Truncating
    Backpropagation Through Time, 2019), and its tail is what truncation leaves out.

    `hidden` holds the TOTAL gradients dL/dh_t, through time, over (valid steps, hidden). With `cell`, those of an
    LSTM's c_t, the norms are of both together, which does not miss what flows past the gates from c to c.

    Each lag averages the sequences that are long enough. Those without a gradient at s are left out; a lag for which
    no others are there is NaN. In float64.
    """
    norms = torch.linalg.vector_norm(hidden.data.detach(), dim=1, dtype=torch.float64)
    if cell is not None:
        norms = norms.hypot(torch.linalg.vector_norm(cell.data.detach(), dim=1, dtype=torch.float64))
    owner, lags = owners(hidden), times(hidden, not backward)
    nearest = lags == 0
    at_loss = norms.new_zeros(int(hidden.batch_sizes[0])).index_put((owner[nearest],), norms[nearest])
    learns = at_loss[owner] > 0
    return means((norms / at_loss[owner])[learns], lags[learns], len(hidden.batch_sizes))


def gradient_reach(by_lag: Tensor, share: float = 0.01) -> tuple[int, float]:
    """How far back a gradient reaches, from `gradient_by_lag`: max k with G_k >= `share`, and sum k G_k / sum G_k.

    Lags that are NaN count 0. Both are 0 where there is no gradient at all; where one overflowed, the mean lag is NaN.
    """
    by_lag = by_lag.nan_to_num(nan=0.0, posinf=math.inf)
    lags = torch.arange(len(by_lag), device=by_lag.device)
    farthest = int(lags[by_lag >= share].max()) if (by_lag >= share).any() else 0
    total = by_lag.sum()
    return farthest, (lags * by_lag / total).sum().item() if total > 0 else 0.0


def contexts_up_to(longest: int) -> list[int]:
    """1, 2, 4 ... and the longest itself."""
    return [2**i for i in range((longest - 1).bit_length())] + [longest]


def k95(contexts: list[int], losses: list[float]) -> int:
    """How many inputs suffice: the memory that the net uses, from what the inputs before the last k are worth.

    That is dL(k) = L(no more than k inputs, from a fresh state) - L(all of them), where `losses` are the mean losses
    with each of `contexts`, from 1 to the whole. k95 is the smallest k with dL(k) <= 5 % of dL(1); 1 where a
    single input does as well as all (Khandelwal et al., Sharp Nearby, Fuzzy Far Away, 2018). A state at the start is
    not what the net met in the middle of its sequences: part of a loss may be owed to that.
    """
    enough = [k for k, v in zip(contexts, losses, strict=True) if v - losses[-1] <= 0.05 * (losses[0] - losses[-1])]
    return enough[0] if enough else contexts[-1]  # losses that are NaN are never enough


def forgetting_curve(
    first: PackedSequence, second: PackedSequence, transient: int = 10, backward: bool = False
) -> tuple[Tensor, float]:
    """How fast a net forgets its initial state: ln ||h_t - h~_t||, same inputs, two initial states, and its slope.

    It estimates the largest Lyapunov exponent (see `dynamics`), from two runs without gradients. `first` and `second`
    are their states over (valid steps, hidden).

    The slope is that of least squares within sequences, after the first `transient` steps (or half of the usable ones,
    where they are fewer) and until the distance first falls under 100 roundings of the largest state, where the
    numbers' precision ends. Trust it where the window spans three horizons. NaN where no sequence has two such steps.
    In a chaotic net the distance soon stops growing, and the slope is near 0: begin from states that are close.

    The distances, of shape (steps,), average for each step of the direction's own time the sequences that differ; -inf
    where none does.
    """
    distance = torch.linalg.vector_norm(first.data.detach().double() - second.data.detach().double(), dim=1)
    size = torch.linalg.vector_norm(first.data.detach(), dim=1, dtype=torch.float64).max()
    floor = 100 * torch.finfo(first.data.dtype).eps * size
    steps, owner, own_time = len(first.batch_sizes), owners(first), times(first, backward)
    differs = distance > 0
    curve = means(distance[differs].log(), own_time[differs], steps).nan_to_num(nan=-math.inf)

    length = torch.bincount(owner)
    met = torch.where(distance > floor, length[owner], own_time)
    usable = length.scatter_reduce(0, owner, met, "amin")[owner]  # the steps of each sequence before it first met
    kept = (own_time < usable) & (own_time >= (usable // 2).clamp(max=transient))
    return curve, slope_within(own_time[kept], distance[kept].log(), owner[kept])


def loss_by_position(losses: PackedSequence, backward: bool = False) -> Tensor:
    """The mean loss at each step, of shape (longest,), in float64, from the packed ones of all valid steps."""
    return means(losses.data.detach().double(), times(losses, backward), len(losses.batch_sizes))


def loss_by_length(losses: Tensor, lengths: Tensor) -> tuple[list[int], list[float], list[int]]:
    """The mean loss of sequences of 1, 2-3, 4-7, 8-15 ... steps: the shortest of each, losses, how many losses.

    Lengths that do not come are left out.

    Both are of shape (n,): losses, one for a sequence or one for each valid step, and the length of the sequence that
    each belongs to (for those of steps, packed as the inputs are: `sequences.lengths_of_rows`).
    """
    octave = torch.tensor([length.bit_length() - 1 for length in lengths.tolist()], device=losses.device)
    counts = torch.bincount(octave)
    present = counts.nonzero().flatten()
    mean = means(losses.detach().double(), octave, len(counts))
    return (2**present).tolist(), mean[present].tolist(), counts[present].tolist()
