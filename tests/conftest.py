"""What several tests share: one small sweep."""

import signal
import threading

import hypothesis
import pytest
import torch

from rnnkit.core import determinism, locks


determinism.settle_numerics()  # as every command does; else the bits depend on where in memory a tensor lies
torch.set_num_threads(1)  # the tensors are small: threads would only wait for each other

hypothesis.settings.register_profile("untimed", deadline=None)  # a loaded machine breaks nothing
hypothesis.settings.load_profile("untimed")

if threading.current_thread() is threading.main_thread():  # commands under test inherit what nohup or `&` ignore
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)

SWEEP = ["sweeps.run", "digits", "--trials", "14", "--workers", "2", "--study", "small"]
SWEEP += ["--confirm", "2", "--confirm-seeds", "2"]
SETTINGS = ["--view", "rows", "--epochs", "1", "--batch-size", "64"]


@pytest.fixture(scope="session")
def swept(tmp_path_factory, worker_id):
    """14 quick trials on two workers, the best 2 again on 2 seeds: the folder of their runs, and what was printed.

    Made once, also where several processes share the tests: whoever comes first makes it. It is only read.
    """
    from tests.helpers import run_command  # which imports Optuna and experiments: tests of the layers need neither

    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    runs, printed = shared / "swept" / "runs", shared / "swept" / "printed"
    with locks.exclusive(shared / "swept.lock"):
        if not printed.exists():
            runs.parent.mkdir()
            done = run_command(*SWEEP, "--runs-dir", runs, "--", *SETTINGS)
            assert done.returncode == 0, done.stderr
            printed.write_text(done.stdout)
    return runs, printed.read_text()


@pytest.fixture(autouse=True)
def full_precision_again():
    """Training in this process has tiny numbers count as 0 (`training.prepare`): not in the tests that follow."""
    yield
    torch.set_flush_denormal(False)
