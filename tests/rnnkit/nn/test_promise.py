import pytest
import torch
from torch import nn

from experiments.digits import Config
from rnnkit.nn import heads, models, portable, promise


CPU = torch.device("cpu")


def limits(config, **options):
    return promise.limits(config, models.classifier(config, 3, 4, longest=9, **options), CPU)


@pytest.fixture(autouse=True)
def kernel(monkeypatch):
    monkeypatch.setattr(promise, "in_force", lambda: {"variant": "avx2"})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.mark.parametrize("init", ["default", "orthogonal", "identity", "forget-bias", "chrono"])
def test_models_of_our_parts_are_the_same_anywhere(init):
    config = Config(init=init, dropout=0.2)
    assert limits(config) == []
    for pool in ("mean", "max", "joined"):
        assert limits(config, vocabulary=9, pool=pool, head_size=5, head_dropout=0.1) == []


def test_what_is_left_to_torch_is_named(monkeypatch):
    assert limits(Config(), pool="attention") == ["torch computes AttentionPool"]
    assert limits(Config(bits="torch")) == ["--bits torch leaves linear layers and losses to torch"]
    assert limits(Config(layers="torch")) == ["--layers torch leaves recurrent layers to torch"]
    model = models.SequenceClassifier(nn.GRU(3, 4), heads.LastState(False), portable.Linear(4, 2))
    assert promise.limits(Config(), model, CPU) == ["torch computes GRU"]
    assert promise.limits(Config(), model, torch.device("cuda")) == ["it runs on a GPU"]
    monkeypatch.setattr(promise, "in_force", lambda: {"variant": "none"})
    assert limits(Config()) == ["the native kernel is not in force"]
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert limits(Config())[1:] == ["torch runs without AVX2"]
