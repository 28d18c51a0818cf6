"""The native kernel alone: 10,000 stacks of random shapes under sanitizers, and equal bits on x86 and on Arm.

    python -m tests.torture.kernel --stacks 200

Each stack runs forward and backward in buffers that are just large enough, and beside it a linear layer, losses, a step
of an optimizer and factors of dropout. Under GCC's address and undefined behaviour sanitizers nothing may be found.
Builds for AVX2, AVX-512 and Arm (by ziglang, from pip, run in qemu-aarch64, Debian's qemu-user) must print the same
hashes of all that comes out; a build that this machine cannot make or run is named.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import build_kernel
from rnnkit.core import cli
from rnnkit.nn.kernels import library


HARNESS = Path(__file__).parent / "harness.c"
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass(frozen=True)
class Options:
    """What can be said to this part."""

    stacks: int = 10_000
    """How many stacks run under the sanitizers."""
    seed: int = 7
    """What their shapes and numbers are drawn from."""
    compared: int = 300
    """How many stacks are compared between builds."""


def compiled(folder: Path, name: str, command: list[str], *flags: str) -> Path | None:
    """The kernel's test program with these flags; None where it cannot be made."""
    program = folder / name
    words = [*command, *build_kernel.FLAGS, "-DSUFFIX=_x", f"-I{build_kernel.FOLDER}", *flags, str(HARNESS)]
    done = subprocess.run([*words, "-o", str(program)], capture_output=True, text=True)
    return None if done.returncode else program


def sanitized(folder: Path, bits: int, options: Options) -> str:
    """What the sanitizers say of all stacks with numbers of so many bits; empty where they find nothing."""
    _, cpu, width = build_kernel.VARIANTS["x86_64"][-1 if library.kernel().variant == "avx512" else 0]
    define = (*build_kernel.INSTRUCTIONS[cpu], f"-DWIDTH={width}", f"-DBITS={bits}")
    program = compiled(folder, f"sanitized{bits}", ["gcc"], *SANITIZED, *define)
    if program is None:
        return "gcc could not compile with its sanitizers"
    # Sanitizers reserve terabytes of addresses, more than commands allow themselves.
    words = ["prlimit", "--data=unlimited", str(program), str(options.stacks), str(options.seed)]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stderr if done.returncode or len(done.stdout.splitlines()) != options.stacks else ""


def builds(folder: Path, bits: int) -> dict[str, list[str] | None]:
    """The command that runs each build; None for one that cannot be made or run here."""
    zig = [sys.executable, "-m", "ziglang", "cc"]
    runs: dict[str, list[str] | None] = {}
    for name, cpu, width in build_kernel.VARIANTS["x86_64"]:
        able = library.kernel().variant == "avx512" or name == "avx2"
        define = (*build_kernel.INSTRUCTIONS[cpu], f"-DWIDTH={width}", f"-DBITS={bits}")
        program = compiled(folder, f"{name}{bits}", ["cc"], *define) if able else None
        runs[name] = program and [str(program)]
    define = ("-target", "aarch64-linux-musl", "-static", "-DWIDTH=16", f"-DBITS={bits}")
    program = compiled(folder, f"neon{bits}", zig, *define) if shutil.which("qemu-aarch64") else None
    runs["neon, emulated"] = program and ["qemu-aarch64", str(program)]
    return runs


def main() -> None:
    """Run both, and exit with 1 where something was found or differs."""
    options = cli.parse(Options, "python -m tests.torture.kernel", sys.argv[1:], __doc__)
    held = True
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        folder = Path(name)
        for bits in (32, 64):
            hashes = {}
            for build, command in builds(folder, bits).items():
                if command is None:
                    print(f"float{bits}, {build}: cannot be made or run here")
                    continue
                done = subprocess.run([*command, str(options.compared)], capture_output=True, check=True)
                hashes[build] = hashlib.sha256(done.stdout).hexdigest()
            held &= len(set(hashes.values())) == 1
            same = "the same bits" if len(set(hashes.values())) == 1 else f"other bits: {hashes}"
            print(f"float{bits}: {', '.join(hashes)} on {options.compared} stacks: {same}", flush=True)
        found = list(pool.map(lambda bits: sanitized(folder, bits, options), (32, 64)))
        for bits, said in zip((32, 64), found, strict=True):
            held &= not said
            print(f"float{bits}, {options.stacks:,} stacks under sanitizers: {said or 'nothing found'}")
    sys.exit(not held)


if __name__ == "__main__":
    cli.main(main)
