"""What a run starts from: manifest.json."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import os
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rnnkit.core import BaseConfig, UserError, determinism, files
from rnnkit.core import config as configuration
from rnnkit.runs.checkout import git_state


FORMAT = 1
_VERSIONED = ("torch", "numpy", "scikit-learn", "scipy", "optuna", "wandb")


@dataclass(frozen=True)
class Membership:
    """The study that a run belongs to, if any, and what it is there."""

    study: str | None = None
    trial: int | None = None  # its trial
    point: int | None = None  # the planned point that the trial carries out
    confirms: int | None = None  # the trial whose settings it repeats on a fresh seed; it then is none itself

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Self:
        """What the contents of a manifest.json say."""
        return cls(**{field.name: manifest.get(field.name) for field in dataclasses.fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that a run starts from. Its bits may depend on `git`, `versions`, `machine`, `numerics` and `kernel`."""

    run: str
    experiment: str
    config: dict[str, Any]
    command: str  # gives the same configuration again
    threads: int
    track: str
    seed: int = 0
    data: dict[str, str] = field(default_factory=dict)  # the SHA-256 of each data set by name
    started: str = ""  # in ISO format
    git: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    numerics: dict[str, Any] = field(default_factory=dict)
    kernel: dict[str, str] = field(default_factory=dict)  # what computed the recurrent layers
    member: Membership = Membership()
    format: int = FORMAT

    @classmethod
    def of(
        cls,
        config: BaseConfig,
        run: str,
        data: dict[str, str],
        member: Membership,
        kernel: dict[str, str] | None = None,
    ) -> Self:
        """The manifest of a run that starts now, in this process."""
        import torch

        gpu = torch.cuda.is_available()
        machine = {
            "system": platform.system(),
            "processor": processor(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if gpu else None,
            "cuda": torch.version.cuda if gpu else None,
            "cudnn": torch.backends.cudnn.version() if gpu else None,
        }
        numerics = {
            "MKL_CBWR": os.environ.get("MKL_CBWR"),
            "MKL_CBWR_in_force": determinism.in_force(),
            "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
            "flush_denormal": bool(torch.tensor(2e-38, dtype=torch.float32, device="cpu") * 0.1 == 0),
        }
        return cls(
            run=run,
            experiment=config.experiment,
            config=configuration.settings(config),
            command=configuration.command(config),
            track=config.track,
            seed=config.seed,
            data=data,
            started=datetime.now(UTC).isoformat(timespec="microseconds"),
            git=git_state(),
            versions={"python": platform.python_version(), **installed_versions()},
            kernel=kernel or {},
            member=member,
            threads=torch.get_num_threads(),
            machine=machine,
            numerics=numerics,
        )

    def write(self, folder: Path) -> None:
        """Write manifest.json into a run's folder."""
        values = dataclasses.asdict(self)
        files.write_json(folder / "manifest.json", {**values, **values.pop("member")})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of the run in a folder. Raises `UserError` where it is damaged, or changed by hand."""
        path = folder / "manifest.json"
        values = files.read_json(path)
        needed = {"run": str, "experiment": str, "config": dict, "command": str, "threads": int, "track": str}
        for name, kind in needed.items():  # whatever version wrote it
            if not isinstance(values.get(name), kind):
                raise UserError(f"{path} is damaged: its {name} is {values.get(name)!r}")
        names = {f.name for f in dataclasses.fields(cls)} - {"member"}
        known = {name: value for name, value in values.items() if name in names}
        manifest = cls(**known, member=Membership.of(values))
        if not manifest.run.startswith(f"{manifest.experiment.replace('_', '-')}-s"):
            raise UserError(f"{path} was changed: its experiment is {manifest.experiment}, its run {manifest.run}")
        return manifest


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
    models = re.search(r"^model name.*?: *(.*)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.MULTILINE)
    return models[1].strip() if models else platform.processor() or platform.machine()
