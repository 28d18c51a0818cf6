"""What `make torture` does at length, in seconds."""

import ast

import pytest

from tests.helpers import ROOT
from tests.torture import bits


def test_a_training_gives_the_same_bits_in_another_process():
    first, second = (bits.elsewhere("SMALL", hash_seed=seed) for seed in (0, 1))
    assert len(first) == 24
    assert first == second
    assert len(set(first.values())) == 24


UNSAFE = {("pickle", "load"), ("pickle", "loads"), ("marshal", "loads"), ("yaml", "load"), ("joblib", "load")}
UNSAFE |= {("torch.jit", "load"), ("torch.export", "load"), ("torch.package", "PackageImporter")}


@pytest.mark.parametrize("folder", ["rnnkit", "experiments", "sweeps"])
def test_nothing_is_loaded_that_could_run_code(folder):
    """Every torch.load says weights_only=True; no pickle, eval, exec or the like anywhere."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            assert called not in ("eval", "exec", "compile", "__import__"), where
            assert tuple(called.rsplit(".", 1)) not in UNSAFE, where
            if called == "torch.load":
                assert [ast.unparse(k.value) for k in node.keywords if k.arg == "weights_only"] == ["True"], where
            if called == "np.load":
                assert not any(k.arg == "allow_pickle" for k in node.keywords), where
