"""How tensors are handed to the native kernel: laid out as it reads them, and by their addresses."""

from array import array
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is one of torch's own kind on the CPU, with a place in memory for each of its numbers."""
    return type(tensor) in (Tensor, nn.Parameter) and tensor.is_cpu and tensor.layout is torch.strided


def are_served(first: Tensor, *others: Tensor) -> bool:
    """Whether the kernel has functions for tensors: plain ones, of one type, float32 or float64."""
    if first.dtype not in (torch.float32, torch.float64):
        return False
    return all(is_plain(tensor) and tensor.dtype == first.dtype for tensor in (first, *others))


def laid_out(tensor: Tensor) -> Tensor:
    """The same numbers one after the other, with the signs that they stand for: a view can have torch turn them."""
    return (tensor.resolve_neg() if tensor.is_neg() else tensor).contiguous()


def address(tensor: Tensor | None) -> int | None:
    """Where the numbers of a tensor that is laid out lie; None, which is NULL, for None."""
    return None if tensor is None else tensor.data_ptr()


def addresses(tensors: Sequence[Tensor | None]) -> "array[int]":
    """Where the numbers of tensors that are laid out lie; 0 for None."""
    return array("q", [0 if tensor is None else tensor.data_ptr() for tensor in tensors])
