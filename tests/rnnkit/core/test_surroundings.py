"""Which variables reach processes that are started here, and libraries that are imported."""

import os

from rnnkit.core import surroundings


def test_a_variable_that_changes_others_code_is_not_passed_on():
    unwanted = ["PYTHONINSPECT", "PYTHONWARNINGS", "PYTHONIOENCODING", "PYTHON_TYRO_BACKEND", "MPLBACKEND"]
    unwanted += ["MATPLOTLIBRC", "GIT_DIR", "GIT_CONFIG_COUNT", "WANDB_RUN_ID", "WANDB_SERVICE", "TQDM_DISABLE"]
    wanted = ["PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "WANDB_MODE", "WANDB_API_KEY"]
    wanted += ["WANDB_PROJECT", "MPLCONFIGDIR", "http_proxy", "CUDA_VISIBLE_DEVICES", "RNNKIT_DATA", "MKL_CBWR"]
    passed = surroundings.passed_on(dict.fromkeys(unwanted + wanted, "x"))
    assert sorted(passed) == sorted(wanted)


def test_what_is_hidden_comes_back_whatever_happens_inside(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "a notebook's")
    monkeypatch.setenv("COLUMNS", "5")
    before = dict(os.environ)
    try:
        with surroundings.hidden("MPL|COLUMNS$", COLUMNS="80"):
            assert "MPLBACKEND" not in os.environ
            assert os.environ["COLUMNS"] == "80"
            raise KeyError
    except KeyError:
        assert dict(os.environ) == before


def test_a_process_can_leave_behind_what_it_would_not_pass_on(monkeypatch):
    monkeypatch.setattr(os, "environ", {"WANDB_RUN_ID": "x", "WANDB_MODE": "offline", "HOME": "/home"})
    surroundings.leave_behind()
    assert os.environ == {"WANDB_MODE": "offline", "HOME": "/home"}
