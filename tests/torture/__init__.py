"""What is too long for the test suite; `python -m tests.torture` runs all of it."""

from rnnkit.core import determinism


determinism.settle_numerics()  # before torch is loaded, as commands do: else threads that wait take the cores
