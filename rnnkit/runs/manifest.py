"""What a run starts from: manifest.json."""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import config as configuration
from rnnkit.core import determinism


_VERSIONED = ("torch", "numpy", "scikit-learn", "scipy", "optuna", "wandb")


FORMAT = 1


_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Membership:
    """The study that a run belongs to, its trial there, and the planned point that the trial carries out.

    A run that repeats a trial's settings on a fresh seed has neither: `confirms` names the trial.
    """

    study: str | None = None
    trial: int | None = None
    point: int | None = None
    confirms: int | None = None

    @classmethod
    def of(cls, manifest: dict) -> "Membership":
        """What a run's manifest says."""
        return cls(**{field.name: manifest.get(field.name) for field in dataclasses.fields(cls)})


def manifest_of(
    config: configuration.BaseConfig, run: str, data: dict[str, str], started: str, member: Membership
) -> dict:
    """All that the run starts from, as plain values.

    `data` maps each data set to the SHA-256 of its contents; `started` is a time in ISO format.
    """
    import torch

    return {
        "format": FORMAT,
        "run": run,
        "experiment": config.experiment,
        "config": configuration.settings(config),
        "seed": config.seed,
        "command": configuration.command(config),
        "git": dict(git_state()),
        "versions": {"python": platform.python_version(), **installed_versions()},
        "machine": {
            "system": platform.system(),
            "processor": processor(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "cuda": torch.version.cuda if torch.cuda.is_available() else None,
            "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,
        },
        "threads": torch.get_num_threads(),
        "numerics": {
            "MKL_CBWR": os.environ.get("MKL_CBWR"),
            "MKL_CBWR_in_force": determinism.in_force(),
            "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
            "flush_denormal": bool(torch.tensor(2e-38) * 0.1 == 0),
        },
        "data": data,
        "started": started,
        **dataclasses.asdict(member),
    }


@functools.cache
def git_state(root: Path = _CHECKOUT) -> tuple[tuple[str, object], ...]:
    """The commit of this checkout, whether files in it differ from it, and the SHA-256 of what differs in Python files.

    All None outside a checkout; the last one also where nothing differs.
    """

    def git(*words: str) -> str | None:
        command = ["git", "-C", str(root), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD") if (root / ".git").exists() else None
    changes = git("status", "--porcelain") if commit else None
    digest = None
    if changes:
        difference = git("diff", "HEAD", "--no-ext-diff", "--", "*.py") or ""
        new = git("ls-files", "--others", "--exclude-standard", "-z", "--", "*.py") or ""
        names = sorted(filter(None, new.split("\0")))
        if difference or names:
            digest = hashlib.sha256(difference.encode(errors="replace"))
            for name in names:
                try:
                    content = (root / name).read_bytes()
                except OSError:  # an editor's lock, `.#a.py`, is a link to nowhere: its name alone counts
                    content = b""
                digest.update(f"\n{name}\n".encode(errors="replace") + content)
    return (
        ("commit", commit),
        ("dirty", None if changes is None else bool(changes)),
        ("changes", digest and digest.hexdigest()),
    )


@functools.cache
def installed_versions() -> dict[str, str]:
    """The versions of the packages that a result can depend on."""
    versions = {}
    for name in _VERSIONED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # an extra that is not there, and not used
            versions[name] = importlib.metadata.version(name)
    return versions


def processor() -> str:
    """The processor's model, as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
