"""The state of the checkout that a run was trained from, as git tells it, whatever the user's settings of git are."""

import functools
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from rnnkit.core import surroundings


_CHECKOUT = Path(__file__).resolve().parents[2]
_QUIET = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",  # a checkout that cannot be written is read all the same
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# The folder's owner may be another, as in a container. What is left of settings are the repository's own.
_SETTINGS = {
    "safe.directory": "*",
    "core.excludesFile": os.devnull,
    "core.attributesFile": os.devnull,
    "core.fsmonitor": "false",
    "status.renames": "false",
    "diff.ignoreSubmodules": "none",
}


@functools.cache
def git_state(root: Path = _CHECKOUT) -> dict[str, Any]:
    """The commit of this checkout, whether files in it differ from it, and the SHA-256 of what differs in Python files.

    All None outside a checkout; the last one also where nothing differs.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD") if (root / ".git").exists() else None
    changed = _git(root, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all") if commit else None
    if commit is None or changed is None:
        return {"commit": commit and _text(commit).strip(), "dirty": None, "changes": None}
    new = [record[3:] for record in changed.split(b"\0") if record.startswith(b"??")]
    # The index plays no role: what counts is what Python reads, beside the commit.
    differing = ("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-relative")
    tracked = (_git(root, *differing, "--no-color", "HEAD", "--") or b"").split(b"\0")
    names = sorted(name for name in {*tracked, *new} if name.endswith(b".py"))
    dirty = bool(changed)
    return {"commit": _text(commit).strip(), "dirty": dirty, "changes": _digest(root, names) if names else None}


def _digest(root: Path, names: list[bytes]) -> str:
    """SHA-256 over the names and the contents of files; line ends count as git has them."""
    digest = hashlib.sha256()
    for name in names:
        path = os.path.join(os.fsencode(root), name)
        try:
            with open(path, "rb") as file:
                content = file.read().replace(b"\r\n", b"\n")
        except OSError:  # it was deleted; or an editor's lock, `.#a.py`, a link to nowhere: the name alone counts
            content = b""
        digest.update(b"%s\0%d\0" % (name, len(content)) + content)
    return digest.hexdigest()


def _git(root: Path, *words: str) -> bytes | None:
    """What a command of git's prints, without the user's settings of it; None where it fails, or there is no git."""
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    environment = {**surroundings.passed_on(os.environ), **_QUIET}
    try:
        done = subprocess.run(
            ["git", "--no-pager", *settings, "-C", str(root), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _text(printed: bytes) -> str:
    return os.fsdecode(printed)
