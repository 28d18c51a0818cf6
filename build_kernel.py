"""Builds the native kernel, and is the build backend of the package: setuptools', which this adds a compiler to.

The C compiler at hand is taken (CC, cc, gcc or clang); where there is none, `ziglang`, one that pip installs, is asked
for. Where no kernel can be built the package is installed without one. RNNKIT_KERNEL=none leaves it out on purpose.
"""

import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import build_meta


# The hooks of a build backend that are setuptools' own.
build_wheel, build_sdist, build_editable = build_meta.build_wheel, build_meta.build_sdist, build_meta.build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable

FOLDER = Path(__file__).parent / "rnnkit" / "nn" / "kernels" / "native"
SOURCES = sorted([*FOLDER.glob("*.c"), *FOLDER.glob("*.h")])
# Compiled once for each variant and type of numbers.
PARTS = ("stack", "linear", "losses", "parameters", "scan", "dropout")

# Optimised, but each operation rounded by itself: what a compiler contracts or reorders would change bits.
FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-g0", "-Wall", "-Wextra", "-Wno-psabi")

# For each machine the variants of the kernel: its name, what it is compiled for by GCC and Clang, and the bytes of a
# vector. avx512h has the registers of AVX-512 and half of its width, for small layers.
VARIANTS = {
    "x86_64": (("avx2", "x86-64-v3", 32), ("avx512h", "x86-64-v4", 32), ("avx512", "x86-64-v4", 64)),
    "aarch64": (("neon", "armv8-a", 16),),
}
# What GCC and Clang call these, one by one: the names of the levels are younger than the instructions.
V3 = ("-mavx2", "-mfma", "-mbmi", "-mbmi2")
V4 = (*V3, "-mavx512f", "-mavx512dq", "-mavx512cd", "-mavx512bw", "-mavx512vl")
INSTRUCTIONS = {"x86-64": (), "x86-64-v3": V3, "x86-64-v4": V4}
MACHINES = {"AMD64": "x86_64", "arm64": "aarch64"}


def source_hash() -> str:
    """SHA-256 of the kernel's sources."""
    digest = hashlib.sha256()
    for path in SOURCES:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def compiler() -> tuple[str, ...] | None:
    """The command of a C compiler, or None."""
    candidates = [tuple(shlex.split(os.environ.get("CC", ""))), ("cc",), ("gcc",), ("clang",)]
    candidates += [(sys.executable, "-m", "ziglang", "cc")]
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial.c"
        trial.write_text("#include <stdint.h>\n#include <string.h>\nint64_t trial(void) { return 0; }\n")
        for command in filter(None, candidates):
            if shutil.which(command[0]) and _works([*command, "-shared", "-fPIC", str(trial), "-o", f"{folder}/t.so"]):
                return command
    return None


def _works(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def target(command: Sequence[str], machine: str, cpu: str) -> list[str]:
    """The flags for a kind of processor. Zig, which compiles for any system, takes the C library of an old one."""
    if "ziglang" in command:
        return [
            "-target",
            f"{machine}-linux-gnu.2.17",
            f"-mcpu={cpu.replace('-', '_') if machine == 'x86_64' else 'generic'}",
        ]
    return list(INSTRUCTIONS.get(cpu, (f"-march={cpu}",)))


def build(library: Path, machine: str | None = None, flags: Sequence[str] = ()) -> None:
    """Compile the kernel into a shared library, all variants of a machine, this one's by default.

    Raises `RuntimeError` where there is no compiler, or no variant for the machine.
    """
    command = compiler()
    if command is None:
        raise RuntimeError("there is no C compiler: install gcc or clang, or ziglang with pip")
    machine = machine or MACHINES.get(platform.machine(), platform.machine())
    if machine not in VARIANTS:
        raise RuntimeError(f"the kernel has no variant for {machine}")
    every = [*command, *FLAGS, *flags]
    base = target(command, machine, {"x86_64": "x86-64", "aarch64": "armv8-a"}[machine])
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            [*every, *base, f"-DSOURCE={source_hash()}", "-c", str(FOLDER / "variants.c"), "-o", f"{folder}/variants.o"]
        ]
        for name, cpu, width in VARIANTS[machine]:
            for bits in (32, 64):
                define = [f"-DWIDTH={width}", f"-DBITS={bits}", f"-DSUFFIX=_{name}_f{bits}"]
                for part in PARTS:
                    arguments = [*target(command, machine, cpu), *define, "-c", str(FOLDER / f"{part}.c")]
                    jobs.append([*every, *arguments, "-o", f"{folder}/{part}_{name}_{bits}.o"])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in pool.map(functools.partial(subprocess.run, capture_output=True, text=True), jobs):
                if done.returncode:
                    raise RuntimeError(done.stderr)
        objects = [str(path) for path in sorted(Path(folder).glob("*.o"))]
        link = target(command, machine, "x86-64")[:2] if "ziglang" in command else []
        library.parent.mkdir(parents=True, exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}.part")  # who has the old one loaded keeps it
        done = subprocess.run(
            [*command, *link, *flags, "-shared", "-s", *objects, "-o", str(part)], capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        part.replace(library)


def _with_compiler(requires: list[str]) -> list[str]:
    wanted = os.environ.get("RNNKIT_KERNEL") != "none" and compiler() is None
    return [*requires, "ziglang>=0.13"] if wanted else requires


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Of PEP 517."""
    return _with_compiler(build_meta.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    """Of PEP 660."""
    return _with_compiler(build_meta.get_requires_for_build_editable(config_settings))
