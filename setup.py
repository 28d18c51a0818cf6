"""The native kernel as part of the build; all else stands in pyproject.toml."""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext


sys.path.insert(0, str(Path(__file__).parent))

import build_kernel  # noqa: E402


class BuildKernel(build_ext):
    """Compiles the kernel, a plain shared library that knows nothing of Python. Without a compiler there is none."""

    def get_ext_filename(self, fullname: str) -> str:
        """Its name is the same for all versions of Python."""
        return f"{fullname.replace('.', '/')}.so"

    def build_extension(self, ext: Extension) -> None:
        """Compile it; a failure is told and not fatal."""
        try:
            build_kernel.build(Path(self.get_ext_fullpath(ext.name)))
        except RuntimeError as error:
            self.warn(f"rnnkit is installed without its native kernel, and is slower: {error}")


class Wheel(bdist_wheel):
    """One wheel for all versions of Python 3 on a system."""

    def get_tag(self) -> tuple[str, str, str]:
        """The system alone counts."""
        return "py3", "none", super().get_tag()[2]


left_out = os.environ.get("RNNKIT_KERNEL") == "none"
kernel = Extension("rnnkit.nn.kernels.native.kernel", sources=[], optional=True)
setup(ext_modules=[] if left_out else [kernel], cmdclass={"build_ext": BuildKernel, "bdist_wheel": Wheel})
