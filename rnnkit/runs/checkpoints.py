"""Files that a training can go on from: always whole, with a checksum, the last two kept; loading one runs no code."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rnnkit.core import UserError, files
from rnnkit.runs.rows import first_damaged, logged


if TYPE_CHECKING:
    from torch import nn


State = dict[str, Any]  # tensors and plain values

LATEST, PREVIOUS = "checkpoint.resume.pt", "checkpoint.resume-previous.pt"

# What a state must hold, by part: `snapshots` takes all but the record, which is `tracking`'s.
PARTS = {
    **dict.fromkeys(("weights", "optimizer", "carried"), ()),
    "random": ("cpu", "cuda"),
    "best": ("value", "evaluation", "weights"),
    "place": ("epoch", "batch", "step", "clipped", "evaluations", "pending", "ended"),
    "record": ("step", "latest", "size", "seconds", "processor_seconds"),
}

_TRAILER = b"RNNCKPT1"  # then the SHA-256 of all before it; torch.load skips both


def save(path: Path, state: State) -> None:
    """Write tensors and plain values so that what lies at `path` is always whole, with a checksum at its end."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    body = buffer.getvalue()
    files.write_whole(path, body + _TRAILER + hashlib.sha256(body).digest())


def load(path: Path) -> State:
    """Read what `save` wrote, onto the CPU; no code is run. Raises `UserError` for a missing, damaged or other file."""
    import torch

    try:
        content = files.read_plain(path)
    except OSError as error:
        raise UserError(f"cannot read the checkpoint {path}: {error.strerror}") from None
    size = len(content) - len(_TRAILER) - 32
    body, trailer = content[: max(size, 0)], content[max(size, 0) :]
    if size < 0 or trailer != _TRAILER + hashlib.sha256(body).digest():
        raise UserError(f"{path} is damaged or not a checkpoint: its checksum does not fit")
    try:
        state = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
    except Exception as error:  # noqa: BLE001 (torch's errors on a file made by hand are of all kinds)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} holds more than tensors and plain values, and is not loaded: {reason}") from None
    if not isinstance(state, dict):
        raise UserError(f"{path} is not a checkpoint: it holds a {type(state).__name__}")
    return state


def keep(folder: Path, state: State) -> None:
    """Save what a run in `folder` can go on from; the one saved before becomes the one to fall back on."""
    if (folder / LATEST).exists():
        os.replace(folder / LATEST, folder / PREVIOUS)
    save(folder / LATEST, state)


def latest(folder: Path) -> tuple[State | None, list[str]]:
    """The newest state that a run in `folder` can go on from, None for none, and what is wrong with newer ones."""
    wrong: list[str] = []
    content = logged(folder)
    for path in filter(Path.exists, (folder / LATEST, folder / PREVIOUS)):
        try:
            state = load(path)
        except UserError as error:
            wrong.append(str(error))
            continue
        if lack := next(_lacks(state), None):
            wrong.append(f"{path} lacks {lack}")
        elif (owner := state["record"].get("run", folder.name)) != folder.name:
            wrong.append(f"{path} is of another run, {owner}")
        elif state["record"]["size"] > len(content):
            wrong.append(f"{path} does not fit metrics.jsonl, which holds less than when it was saved")
        elif (line := first_damaged(content[: state["record"]["size"]])) is not None:
            wrong.append(f"{path} does not fit metrics.jsonl, of which line {line} is damaged")
        else:
            return state, wrong
    return None, wrong


def _lacks(state: State) -> Iterator[str]:
    """What a state must hold, and does not."""
    for part, names in PARTS.items():
        held = state.get(part)
        if part not in state or (names and not isinstance(held, dict)):
            yield part
        else:
            yield from (f"{part} {name}" for name in names if name not in cast("State", held))
    if type(cast("State", state.get("record") or {}).get("size")) is not int:
        yield "record size"


def trained(folder: Path, weights_sha256: str | None) -> State:
    """What a run kept of its trained model. Raises `UserError` where that is not what its result names."""
    path = folder / "checkpoint.pt"
    state = load(path)
    if not isinstance(state.get("weights"), dict) or sha256_of(state["weights"]) != weights_sha256:
        raise UserError(f"{path} is not the one of this run: its weights are not those that result.json names")
    return state


def discard(folder: Path) -> None:
    """Remove what a run that has ended needs no more."""
    for name in (LATEST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)


def plain(value: Any, name: str) -> Any:
    """What `load` gives again: tensors and plain values as they are, what NumPy has of them as Python's own.

    Raises `UserError`, with the name, for anything else: it would be saved, and never loaded.
    """
    from torch import Tensor

    if value is None or isinstance(value, Tensor) or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {plain(k, name): plain(part, f"{name}[{k!r}]") for k, part in items}
    if isinstance(value, (list, tuple)):
        parts = [plain(part, f"{name}[{i}]") for i, part in enumerate(cast("list[Any]", value))]
        return tuple(parts) if isinstance(value, tuple) else parts
    if hasattr(value, "tolist"):
        return plain(value.tolist(), name)
    raise UserError(f"what is kept with the weights must be tensors and plain values, and {name} is a {type(value)}")


def weights_of(model: "nn.Module") -> dict[str, Any]:
    """A model's state; what is no tensor in it, a module's extra state, is `plain`, with its `UserError`."""
    from torch import Tensor

    weights = model.state_dict()
    for name, part in weights.items():
        if not isinstance(part, Tensor):
            weights[name] = plain(part, name)
    return weights


def weights_sha256(model: "nn.Module") -> str:
    """SHA-256 over names, types, shapes and bytes of a model's state, in the order of the names."""
    return sha256_of(weights_of(model))


def sha256_of(weights: "dict[str, Any]") -> str:
    """The same of a state."""
    import torch

    digest = hashlib.sha256()
    for name, part in sorted(weights.items()):
        if not isinstance(part, torch.Tensor):  # a module's extra state
            digest.update(f"{name} {part!r}\n".encode())
            continue
        tensor = part.detach().cpu()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        dense = tensor if tensor.layout is torch.strided else tensor.to_dense()
        # By bytes: NumPy does not know all of torch's types.
        numbers = dense.resolve_conj().resolve_neg().contiguous().reshape(-1)
        digest.update(numbers.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
