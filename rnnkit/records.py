"""What a run leaves behind: the manifest it started from, its rows, the checksum of its weights, its result."""

import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rnnkit import config as configuration
from rnnkit import seeding
from rnnkit.errors import UserError


FORMAT = 1
_CHECKOUT = Path(__file__).resolve().parents[1]
_VERSIONED = ("torch", "numpy", "scikit-learn", "scipy", "optuna", "wandb")
_SECRET = re.compile(r"key|token|secret|passw|pwd|credential|auth", re.IGNORECASE)
# A setting's whole last word: `keep`, `tokens` and `author` are none.
_NAMED = r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|(?:api|access|private|secret)[-_]?key)"
_SECRET_SETTING = re.compile(rf"(?:^|[-_]){_NAMED}$", re.IGNORECASE)
_AS_FLAG = re.compile(rf"""(--(?:[\w-]*-)?{_NAMED}[ =])(?:'[^']*'|"[^"]*"|[^\s'"])+""", re.IGNORECASE)
_AS_PARAMETER = re.compile(rf"""(\b\w*{_NAMED}=)(?:'[^']*'|"[^"]*"|[^\s&]+)""", re.IGNORECASE)
_IN_WEB_ADDRESS = re.compile(r"(https?://)[^/\s]+@")  # a user alone may be a token
_IN_ADDRESS = re.compile(r"((?<!http)(?<!https)://[^/\s:@]*:)\S+@")  # the password of a database may hold / and @
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class Result:
    """How a run ended: what result.json holds, and the folder it lies in.

    `status` is finished, pruned, failed, diverged or interrupted; `metrics` holds the last value of each metric and
    the final ones; `reason` says in a line why a run did not finish. `comparison` is a `scores.Comparison`;
    `references` are what others reach on the same test part (see `reference`). `processor_seconds` are those that this
    process computed, on all its threads: unlike `seconds` they do not depend on what else the machine was doing.
    `flags` are `flags.Flag`s: what in the record says that the network cannot learn, or does not. `resumed_after` names
    the steps after which the run was stopped or killed, and went on.
    """

    run: str
    status: str
    step: int
    seconds: float
    metrics: dict[str, float]
    folder: Path
    weights_sha256: str | None = None
    reason: str | None = None
    parameters: int | None = None
    comparison: dict | None = None
    references: list[dict] | None = None
    processor_seconds: float | None = None
    flags: list[dict] | None = None
    resumed_after: list[int] | None = None

    def write(self) -> None:
        """Write result.json into the run's folder."""
        values = {k: v for k, v in dataclasses.asdict(self).items() if k != "folder" and v is not None}
        write_json(self.folder / "result.json", {**values, "metrics": encode(self.metrics)})

    @classmethod
    def read(cls, folder: Path) -> "Result | None":
        """The result in a run's folder; None where the run has not ended. Raises `UserError` where it is damaged."""
        path = folder / "result.json"
        if not path.exists():
            return None
        values = read_json(path)
        try:
            return cls(**{**values, "metrics": decode(values["metrics"]), "folder": folder})
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{path} is damaged (it is no result): delete it, or its whole folder") from None


def reference(what: str, metric: str, value: float, kind: str = "baseline") -> dict:
    """A figure to see a result's `metric` beside, as result.json keeps it.

    `kind` is "baseline" (something cheap that was computed here), "published", or "limit" (the best possible).
    """
    if kind not in ("baseline", "published", "limit"):
        raise ValueError(f"a reference is a baseline, published, or a limit, not {kind}")
    return {"what": what, "metric": metric, "value": float(value), "kind": kind}


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


def manifest(
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
            "MKL_CBWR_in_force": seeding.in_force(),
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
    return {name: importlib.metadata.version(name) for name in _VERSIONED}


def processor() -> str:
    """The processor's model, as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def weights_sha256(model) -> str:
    """SHA-256 over names, types, shapes and bytes of a model's state, in the order of the names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def encode(row: dict) -> dict:
    """A row of numbers as JSON can hold it: floats that are not finite become strings."""
    return {k: plain_float(v) if isinstance(v, float) else v for k, v in row.items()}


def plain_float(value: float) -> float | str:
    """A number as JSON can hold it: NaN, Infinity and -Infinity as strings."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def decode(row: dict) -> dict:
    """What `encode` was given."""
    return {k: _NON_FINITE.get(v, v) if isinstance(v, str) else v for k, v in row.items()}


def read_rows(folder: Path) -> list[dict]:
    """All rows of a run's metrics.jsonl, in order. A last line that a crash cut short is left out.

    Raises `UserError`, with the line, where one is no row.
    """
    path = folder / "metrics.jsonl"
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    rows = []
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        try:
            rows.append(decode(json.loads(line)))
            rows[-1]["step"]
        except (ValueError, AttributeError, KeyError, TypeError):
            raise UserError(f"{path}, line {number} is damaged: it is no row of a run") from None
    return rows


def read_json(path: Path, advice: str = "delete it, or its whole folder") -> dict:
    """A JSON file of ours, which holds an object. Raises `UserError` where it cannot be read, or is no such file.

    `advice` says what to do with one that is damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {advice}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} is damaged (it holds no JSON object): {advice}")
    return values


def write_json(path: Path, values: dict) -> None:
    """Write a JSON file that is always whole, the old one or the new one, and holds no secret (`without_secrets`)."""
    text = json.dumps(without_secrets(values), indent=2, allow_nan=False, default=str)
    write_whole(path, (text + "\n").encode())


def without_secrets(value):
    """A value of plain parts with `***` for what is secret in its texts.

    Secret are the values of environment variables whose names say so (a key, a token, a password, credentials), texts
    that a setting or flag of such a name has, and the password in an address such as postgresql://user:password@host,
    or postgresql://host?password=password.
    """
    if isinstance(value, dict):
        return {
            without_secrets(k): "***" if isinstance(v, str) and _SECRET_SETTING.search(str(k)) else without_secrets(v)
            for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [without_secrets(part) for part in value]
    if not isinstance(value, (str, Path)):
        return value
    text = str(value)
    for name, secret in os.environ.items():
        # Shorter ones would also hit what is none; PWD and SSH_AUTH_SOCK hold whole paths, which a replay needs.
        is_path = os.path.isabs(secret) and os.path.exists(secret)
        if _SECRET.search(name) and len(secret) >= 8 and not is_path:
            text = text.replace(secret, "***")
    text = _IN_WEB_ADDRESS.sub(r"\1***@", _IN_ADDRESS.sub(r"\1***@", text))
    return _AS_PARAMETER.sub(r"\1***", _AS_FLAG.sub(r"\1***", text))


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that a crash at any moment leaves the old content or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sys.platform != "win32":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
