"""What a notebook has set of torch changes nothing of a run, and is afterwards what it was."""

import contextlib

import pytest
import torch

from experiments import memory
from rnnkit.core.errors import UserError
from rnnkit.inference import kept_out


def run(folder, **settings):
    options = {"length": 12, "epochs": 1, "round": 3, "hidden_size": 4, "depth": 1, "track": "off"}
    result = memory.run(memory.Config(runs_dir=folder, **{**options, **settings}))
    return result.weights_sha256, (result.folder / "metrics.jsonl").read_text().split('"speed')[0]


@contextlib.contextmanager
def set_of_defaults():
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.use_deterministic_algorithms(True)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_default_device().type == "meta"
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


@contextlib.contextmanager
def without_gradients():
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        yield
        assert torch.is_inference_mode_enabled()
        assert torch.is_autocast_enabled("cpu")


@contextlib.contextmanager
def other_products():
    """What torch.nn's LSTM and, on some processors, products of float32 are computed by."""
    torch.set_float32_matmul_precision("medium")
    torch.backends.mkldnn.set_flags(False)
    try:
        yield
        assert not torch.backends.mkldnn.enabled
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.backends.mkldnn.set_flags(True)
        torch.set_float32_matmul_precision("highest")


def test_a_run_is_the_same_whatever_is_set_around_it(tmp_path):
    expected = run(tmp_path / "plain")
    for number, setting in enumerate((set_of_defaults, without_gradients)):
        with setting():
            assert run(tmp_path / str(number)) == expected, setting.__name__


def test_torchs_own_layers_are_the_same_with_other_products_set(tmp_path):
    torchs = {"layers": "torch", "bits": "torch", "cell": "lstm", "hidden_size": 32}
    expected = run(tmp_path / "plain", **torchs)
    with other_products():
        assert run(tmp_path / "other", **torchs) == expected
        with kept_out():
            assert torch.get_float32_matmul_precision() == "highest"


def test_what_is_set_comes_back_after_an_error(tmp_path):
    with set_of_defaults(), pytest.raises(UserError), kept_out():
        assert torch.empty(1).device.type == "cpu"
        assert torch.empty(1).dtype == torch.float32
        raise UserError("stop")
