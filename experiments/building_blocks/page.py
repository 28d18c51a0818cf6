"""How a lesson shows what it computes, and stops where two ways that must agree do not."""

import contextlib
import textwrap
from collections.abc import Iterator

import torch
from torch import Tensor, nn

import rnnkit
from experiments.building_blocks.lesson import Disagreement


LENGTHS = (16, 6, 11)  # steps of the sequences in a batch; rnnkit's layers leave fewer than 12 to torch's code
STEPS = max(LENGTHS)


def agree(name: str, one, other, tolerance: float = 1e-6) -> None:
    """Say that two tensors (or numbers) agree, and how closely; `name` says what they are, as in "this and that".

    Raises `Disagreement` where they differ by more than `tolerance`, hold a NaN, or have different shapes.
    """
    one, other = _tensor(one), _tensor(other)
    if one.shape != other.shape:
        raise Disagreement(f"{name} differ in shape: {tuple(one.shape)} and {tuple(other.shape)}")
    largest, values = _largest_difference(one, other)
    if not largest <= tolerance:
        raise Disagreement(f"{name} differ: {values}")
    print(f"    agree   {name:<62} largest difference {largest:.1g}")


def differ(name: str, one, other, least: float = 1e-3) -> None:
    """Say by how much a mistake differs from what is right. Raises `Disagreement` where it is less than `least`."""
    largest, values = _largest_difference(_tensor(one), _tensor(other))
    if not largest >= least:
        raise Disagreement(f"{name} must differ, and do not: {values}")
    print(f"    differ  {name:<62} largest difference {largest:.4f}")


def same(name: str, one, other) -> None:
    """Say what two things (names, shapes, kinds) both are. Raises `Disagreement` unless they are equal."""
    if one != other:
        raise Disagreement(f"{name} differ: {one} and {other}")
    print(f"    same    {name}: {one}")


def show(name: str, value, digits: int = 4) -> None:
    """Print a name and a value; a tensor of shape (rows, columns) on one line where it fits, else row by row."""
    if not isinstance(value, Tensor):
        lines = [str(value)]
    else:
        rows = value.detach().reshape(-1, value.shape[-1]).tolist()
        sign = " " if (value < 0).any() else ""
        lines = ["[" + " ".join(f"{number:{sign}.{digits}f}" for number in row) + "]" for row in rows]
        if sum(map(len, lines)) + len(lines) <= 90:
            lines = [" ".join(lines)]
    for line in lines:
        print(f"    {name:<24} {line}")
        name = ""


def draw(picture: str) -> None:
    """Print a picture of several lines, and an empty one."""
    print(textwrap.indent(textwrap.dedent(picture).strip("\n"), "      "))
    print()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """What is drawn inside comes from `seed`; the global random state is afterwards as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def randn(seed: int, *shape: int) -> Tensor:
    """Normal numbers of the given shape, which `torch.manual_seed(seed)` and `torch.randn` would give."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def both(kind: str, *sizes: int, seed: int, **options) -> dict[str, nn.RNNBase]:
    """torch.nn's and rnnkit's layer of one kind by library; from one seed both start with the same weights."""
    layers = {}
    for library in (nn, rnnkit):
        with seeded(seed):
            layers[library.__name__] = getattr(library, kind)(*sizes, **options)
    return layers


def ragged(seed: int, features: int) -> list[Tensor]:
    """Three sequences of the lengths in `LENGTHS`, each of shape (steps, features)."""
    return [randn(seed + i, length, features) for i, length in enumerate(LENGTHS)]


def _tensor(value) -> Tensor:
    return torch.as_tensor(value).detach().double()


def _largest_difference(one: Tensor, other: Tensor) -> tuple[float, str]:
    """By how much two tensors of one shape differ most, and both values there. NaN counts as most."""
    difference = (one - other).abs().flatten()
    place = int(difference.nan_to_num(nan=torch.inf).argmax())
    return float(difference[place]), f"{one.flatten()[place]:.8g} and {other.flatten()[place]:.8g}"
