"""Runs whose bits are the same on every machine: with AVX2 and AVX-512, on any number of threads, whoever made it."""

import pytest

from rnnkit.nn import kernel_in_force
from tests.golden import GOLDEN, trained


pytestmark = pytest.mark.skipif(kernel_in_force()["variant"] == "none", reason="the native kernel was not built")


@pytest.mark.parametrize("name", GOLDEN)
def test_a_run_has_the_bits_that_it_has_on_every_machine(name, tmp_path):
    assert trained(name, tmp_path) == GOLDEN[name]


def test_on_two_threads_they_are_the_same(tmp_path):
    assert trained("digits lstm", tmp_path, threads=2) == GOLDEN["digits lstm"]
