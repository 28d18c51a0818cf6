"""What the tests of runs that go on share."""

import pytest

from experiments import digits
from tests.rnnkit.training.interrupted import at
from tests.torture import forks


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, quick_baseline):
    """What a run gives that nobody disturbs."""
    return forks.record(digits.run(at(tmp_path_factory.mktemp("undisturbed"))).folder)


@pytest.fixture(scope="module")
def quick_baseline():
    """The comparison with scikit-learn takes longer than these runs, and is no part of what is compared."""
    with pytest.MonkeyPatch.context() as patch:
        right = digits.baseline(0)
        patch.setattr(digits, "baseline", lambda seed: right)
        yield
