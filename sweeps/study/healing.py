"""A journal that a full disk or a crash tore: cut where it was torn, so that it can be written again."""

import fcntl
import json
import os
from pathlib import Path

from rnnkit.core import UserError, locks, writing


AFTER_TORN = 32  # lines that workers may have written after a torn one before they noticed


def heal(folder: Path) -> None:
    """Cut journal.log where a full disk or a crash tore a line: Optuna could never write to it again.

    Whatever follows a torn line was never read by anybody, and is a line or two of each worker at most. Workers that
    are writing are waited for. Raises `UserError` for other damage, which is not ours to cut.
    """
    path = folder / "journal.log"
    if not path.exists() or _torn(path) is None:
        return
    with locks.opened(folder / "workers.lock") as descriptor:
        if not locks.take(descriptor, path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            print(f"{path} is torn: waiting for workers that still have it open", flush=True)
            locks.take(descriptor, path)
        whole = _torn(path)
        if whole is not None:
            with writing(path), path.open("rb+") as file:
                torn = os.fstat(file.fileno()).st_size - whole
                file.truncate(whole)
            print(f"{path}: dropped {torn} bytes at its end, which a full disk or a crash had torn", flush=True)


def _torn(path: Path) -> int | None:
    """The number of bytes before the first torn line; None where all lines are whole.

    Raises `UserError` where more follows that line than could follow a torn one.
    """
    with path.open("rb") as file:
        lines = file.readlines()
    whole = [_is_whole(line) for line in lines]
    if all(whole):
        return None
    first = whole.index(False)
    if (follow := sum(whole[first:])) > AFTER_TORN:
        raise UserError(
            f"{path}, line {first + 1} is damaged, and {follow} good ones follow: no crash does that. "
            "Put back a copy of the file, or choose a new name with --study"
        )
    return sum(map(len, lines[:first]))


def _is_whole(line: bytes) -> bool:
    try:
        said = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("op_code") in range(11) and "worker_id" in said  # as Optuna writes it
