"""Images as sequences: the pixels of each, in an order, some a step; or those alone that are inked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnkit.core import UserError


@dataclass(frozen=True)
class Pixels:
    """How an image of `height` x `width` pixels, in raster order, becomes a sequence.

    `a_step` pixels a step, in an `order` (that of the raster where there is none); 0 for a step for each pixel that is
    not 0, as (row, column, intensity).
    """

    height: int
    width: int
    a_step: int = 0
    order: tuple[int, ...] = ()


def steps(pixels: Pixels, means: Sequence[float], deviations: Sequence[float], image: Any, place: int) -> Tensor:
    """The standardised steps of an image, of shape (steps, features). `UserError`, with the image, for what is none."""
    count = pixels.height * pixels.width
    try:
        values = np.asarray(image, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise UserError(f"image {place} holds something that is not a number") from None
    if len(values) != count or not np.isfinite(values).all():
        found = f"{len(values)} pixels" if len(values) != count else "a pixel that is not a finite number"
        raise UserError(f"image {place} has {found}: give {count} numbers, row by row")
    if pixels.a_step:
        found = (values[list(pixels.order)] if pixels.order else values).reshape(-1, pixels.a_step)
    else:
        rows, columns = np.nonzero(values.reshape(pixels.height, pixels.width))
        if not len(rows):
            raise UserError(f"image {place} has no inked pixel: there is nothing to read")
        found = np.stack([rows, columns, values.reshape(pixels.height, pixels.width)[rows, columns]], 1)
    scaled = (found - np.array(means)) / np.array(deviations)
    return torch.tensor(scaled, dtype=torch.float32, device="cpu")
