"""What a run starts from: manifest.json."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast

from rnnkit.core import BaseConfig, UserError, determinism, files, records
from rnnkit.core import config as configuration
from rnnkit.runs.checkout import git_state


FORMAT = files.FORMAT
_VERSIONED = ("torch", "numpy", "scikit-learn", "scipy", "optuna", "wandb")
# What libraries are told by the environment, and answer with other bits.
_VARIABLES = ("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
_VARIABLES += ("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "ONEDNN_DEFAULT_FPMATH_MODE", "OPENBLAS_CORETYPE")
# Without these there is nothing to go on with or to replay, whatever version wrote it.
_NEEDED = ("run", "experiment", "config", "command", "threads", "track")


@dataclass(frozen=True)
class Membership:
    """The study that a run belongs to, if any, and what it is there."""

    study: str | None = None
    trial: int | None = None  # its trial
    point: int | None = None  # the planned point that the trial carries out
    confirms: int | None = None  # the trial whose settings it repeats on a fresh seed; it then is none itself


@dataclass(frozen=True, kw_only=True)
class Part:
    """A process that went on with a run: after which step, and what it ran under."""

    after: int
    started: records.Moment
    threads: int
    git: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, Any]
    numerics: dict[str, Any]
    kernel: dict[str, str]


# What both a manifest and each of its parts say of the surroundings that a result can depend on.
SURROUNDINGS = ("versions", "machine", "threads", "numerics", "kernel", "git")


# Of these, what portable bits do not depend on, by how `differences` calls it.
ELSEWHERE = ("machine", "threads", "numerics", "kernel variant")


def differences(one: dict[str, Any], other: dict[str, Any], fields: Iterable[str]) -> list[tuple[str, object, object]]:
    """In what two manifests, or parts of them, differ: each as (what, in the one, in the other)."""
    found: list[tuple[str, object, object]] = []
    for name in fields:
        first, second = one.get(name), other.get(name)
        both = isinstance(first, dict) and isinstance(second, dict)
        pair = cast("list[dict[str, Any]]", [first, second] if both else [{"": first}, {"": second}])
        for entry in pair[0] | pair[1]:
            values = pair[0].get(entry), pair[1].get(entry)
            # A note beside the code makes a checkout dirty too: what differs of the code is in `changes`.
            says_nothing = entry == "dirty" and all(isinstance(value, bool) for value in values)
            if values[0] != values[1] and not says_nothing:
                found.append((f"{name} {entry}".strip(), *values))
    return found


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that a run starts from. Its bits may depend on `git`, `versions`, `machine`, `numerics` and `kernel`."""

    run: str = ""
    experiment: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    command: str = ""  # gives the same configuration again
    threads: int = 1
    track: str = "auto"
    seed: int | None = None
    data: dict[str, str] = field(default_factory=dict)  # the SHA-256 of each data set by name
    started: records.Moment = ""
    git: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    numerics: dict[str, Any] = field(default_factory=dict)
    kernel: dict[str, str] = field(default_factory=dict)  # what computed the recurrent layers
    bits: dict[str, Any] = field(default_factory=dict)  # whether they are the same on any x86 processor, and why not
    parts: list[Part] = field(default_factory=list[Part])  # of processes that went on with it, one after the other
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
        limits: list[str] | None = None,
    ) -> Self:
        """The manifest of a run that starts now, in this process; `limits` are those of `rnnkit.nn.promise`."""
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
            **{name: os.environ.get(name) for name in _VARIABLES},
            "MKL_CBWR_in_force": determinism.in_force(),
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
            bits={} if limits is None else {"portable": not limits, "limits": limits},
            member=member,
            threads=torch.get_num_threads(),
            machine=machine,
            numerics=numerics,
        )

    @property
    def is_portable(self) -> bool:
        """Whether its weights, losses, gradient norms and metrics are promised on any x86 processor."""
        return self.bits.get("portable") is True

    def extended(self, now: "Manifest", after: int) -> Self:
        """With a part more: that of the process of `now`, which goes on after a step."""
        part = Part(after=after, started=now.started, **{name: getattr(now, name) for name in SURROUNDINGS})
        return dataclasses.replace(self, parts=[*self.parts, part])

    def changed_since(self, now: "Manifest") -> list[tuple[str, object, object]]:
        """What differs between the surroundings of the last part of this run, and those of `now`."""
        last = dataclasses.asdict(self.parts[-1] if self.parts else self)
        return differences(last, dataclasses.asdict(now), SURROUNDINGS)

    def write(self, folder: Path) -> None:
        """Write manifest.json into a run's folder."""
        values = dataclasses.asdict(self)
        values |= values.pop("member")
        files.write_json(folder / "manifest.json", values, compared=values)

    @classmethod
    def told(cls, values: dict[str, Any]) -> tuple[Self, list[str]]:
        """What the contents of a manifest.json say, as far as it fits, and in words what does not."""
        member, damage = records.read(Membership, values)
        found, more = records.read(cls, {name: value for name, value in values.items() if name != "member"})
        assert found is not None  # as each field has a default
        assert member is not None
        return dataclasses.replace(found, member=member), more + damage

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of the run in a folder. Raises `UserError` where it is damaged, or changed by hand."""
        path = folder / "manifest.json"
        values = files.read_json(path)
        manifest, damage = cls.told(values)
        records.require_sound(damage + [f"{name} is not there" for name in _NEEDED if name not in values], path)
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
    try:
        said = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # another system, or a container that hides it
        said = ""
    models = re.search(r"^model name.*?: *(.*)$", said, re.MULTILINE)
    return models[1].strip() if models else platform.processor() or platform.machine()
