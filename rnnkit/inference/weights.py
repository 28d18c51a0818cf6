"""Weights as safetensors: tensors, and plain text beside them; reading runs no code, whoever wrote the file."""

import json
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from rnnkit.core import UserError, extras, files, writing


_ABOUT = "rnnkit"  # the name of what stands beside the tensors


def write(path: Path, tensors: dict[str, Any], told: dict[str, Any]) -> None:
    """Write tensors and plain values that belong to them, whole or not at all."""
    with extras.needed("export", "a file of weights"):
        from safetensors.torch import save

    plain = {name: part.detach().cpu().clone().contiguous() for name, part in tensors.items()}  # tied ones are two
    with writing(path):
        files.write_named(path, save(plain, metadata={_ABOUT: json.dumps(told)}))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write` wrote. Raises `UserError` for a file that is missing, damaged, or of another program."""
    with extras.needed("export", "a file of weights"):
        from safetensors import SafetensorError, safe_open

    try:
        path.open("rb").close()
        with safe_open(path, framework="pt") as file:
            about = (file.metadata() or {}).get(_ABOUT)
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = json.loads(about) if about is not None else None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, ValueError, RecursionError, torch.OutOfMemoryError) as error:
        raise UserError(f"{path} is damaged, or not a file of weights: {str(error).splitlines()[0]}") from None
    if not isinstance(told, dict):
        raise UserError(f"{path} holds weights alone, of another program: it does not say what net they are of")
    return tensors, cast("dict[str, Any]", told)
