"""Tasks that somebody else writes: what they may give, and what is said of what they may not."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from experiments.digits import Config
from rnnkit import sequences
from rnnkit.core import UserError
from rnnkit.nn import models
from rnnkit.runs import checkpoints
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests.rnnkit.training.test_loop import EXAMPLES, fitted


@pytest.fixture
def config(tmp_path):
    return Config(cell="lstm", hidden_size=4, depth=2, epochs=3, batch_size=8, track="off", runs_dir=tmp_path)


def only_run(config):
    (folder,) = config.runs_dir.iterdir()
    return folder


NUMBERS = {
    "float32": np.float32(0.25),
    "float64": np.float64(0.25),
    "int64": np.int64(2),
    "an array of one": np.array(0.25),
    "a tensor": torch.tensor(0.25),
    "a tensor with a gradient": torch.tensor(0.25, requires_grad=True) * 1,
    "half": torch.tensor(0.25, dtype=torch.bfloat16),
    "a boolean of NumPy's": np.bool_(True),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_any_library_are_numbers_of_the_record(config, kind):
    number = NUMBERS[kind]
    fitted(config, evaluate=lambda: {"loss/valid": number}, metrics={"metric/own/test": number})
    folder, plain = only_run(config), number.item()
    assert [row["loss/valid"] for row in read_rows(folder) if "loss/valid" in row] == [plain] * 3
    assert Result.read(folder).metrics["metric/own/test"] == plain
    assert json.loads((folder / "result.json").read_text())["metrics"]["metric/own/test"] == plain


@pytest.mark.parametrize("wrong", [torch.tensor([1.0, 2.0]), None, [0.5], "half", 1j, np.array([1.0, 2.0]), {"a": 1.0}])
@pytest.mark.parametrize("where", ["evaluate", "metrics"])
def test_what_is_no_number_is_named(config, where, wrong):
    given = {"metrics": {"metric/own/test": wrong}}
    if where == "evaluate":
        given = {"evaluate": lambda: {"loss/valid": 0.5, "metric/own/test": wrong}}
    with pytest.raises(UserError, match=r"^metric/own/test is .*, and must be one number$"):
        fitted(config, **given)


def test_numbers_that_are_not_finite_end_a_run_whatever_library_they_are_of(config):
    with pytest.raises(UnboundLocalError):  # the block ended quietly
        fitted(config, evaluate=lambda: {"loss/valid": np.float32("nan")})
    assert Result.read(only_run(config)).status == "diverged"
    assert math.isnan(read_rows(only_run(config))[-1]["loss/valid"])


@pytest.mark.parametrize("given", [{"valid/loss": 0.5}, {"metric/loss/valid": 0.5, "loss": 1.0}, {}])
def test_an_objective_that_no_evaluation_gives_is_said(config, given):
    listed = ", ".join(given) or "nothing"
    with pytest.raises(UserError, match=f"^evaluate.. gives no loss/valid, which OBJECTIVE names, but {listed}$"):
        fitted(config, evaluate=lambda: given)


@pytest.mark.parametrize(
    ("steps", "said"),
    [(4, "epoch 1 has 3 batches, and steps_per_epoch says 4"), (2, "epoch 1 has more than the 2 batches")],
)
def test_epochs_of_another_number_of_batches_are_said(config, steps, said):
    """A schedule would go up again, and the last evaluation never come."""
    with pytest.raises(UserError, match=said):
        fitted(config, steps_per_epoch=steps)


@pytest.mark.parametrize("short", [0, 1, 2])
def test_so_are_epochs_that_are_not_alike(config, short):
    def batches(epoch):
        whole = list(sequences.shuffled_batches(EXAMPLES, 8, 0, epoch))
        return iter(whole[:short] if epoch == 1 else whole)

    with pytest.raises(UserError, match=f"epoch 2 has {short} batches, and steps_per_epoch says 3"):
        fitted(config, batches=batches)


def test_a_last_batch_of_one_is_a_batch(config):
    few = EXAMPLES.subset(range(9))
    _, _, rows, _ = fitted(config, batches=lambda epoch: sequences.shuffled_batches(few, 4, 0, epoch))
    assert len(rows) == 9
    assert all(math.isfinite(row["loss/train"]) for row in rows)


def test_a_model_that_is_frozen_is_said_and_a_part_of_it_stays(config):
    model = models.classifier(config, 3, 3, longest=25)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("head"))
    fitted(config, model=model)
    assert {name for name, p in model.named_parameters() if not torch.equal(p, before[name])} == {
        "head.weight",
        "head.bias",
    }
    model.requires_grad_(False)
    with pytest.raises(UserError, match="nothing to train"):
        fitted(config, model=model)


class Annotated(nn.Module):
    """A model with state that is no tensor."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.names = inner, ["a", "b"]

    def forward(self, inputs):
        return self.inner(inputs)

    def get_extra_state(self):
        return {"names": self.names}

    def set_extra_state(self, state):
        self.names = state["names"]


def test_state_that_is_no_tensor_is_kept_and_counts_in_the_digest(config):
    model = Annotated(models.classifier(config, 3, 3, longest=25))
    model.names = list(np.array(["a", "b"]))
    fitted(config, model=model)
    digest = Result.read(only_run(config)).weights_sha256
    state = checkpoints.load(only_run(config) / "checkpoint.pt")["weights"]
    model.names = ["c"]
    assert checkpoints.weights_sha256(model) != digest
    model.load_state_dict(state)
    assert model.names == ["a", "b"]
    assert checkpoints.weights_sha256(model) == digest


def test_state_that_could_not_be_loaded_is_said_before_a_second_epoch(config):
    model = Annotated(models.classifier(config, 3, 3, longest=25))
    model.names = {"a", "b"}
    with pytest.raises(UserError, match=r"plain values, and _extra_state\['names'\] is a <class 'set'>"):
        fitted(config, model=model)
    assert len(read_rows(only_run(config))) == 3


@pytest.mark.parametrize("how", ["pruned", "weight norm", "orthogonal"])
def test_weights_that_are_computed_are_trained_and_told_of_under_their_own_name(config, how):
    model = models.classifier(config, 3, 3, longest=25)
    encoder = model.encoder
    if how == "pruned":
        prune.random_unstructured(encoder, "weight_hh_l0", 0.5)
    elif how == "weight norm":
        parametrizations.weight_norm(encoder, "weight_hh_l0")
    else:
        parametrizations.orthogonal(encoder, "weight_hh_l0")
    removed, before = encoder.weight_hh_l0 == 0, encoder.weight_hh_l0.detach().clone()
    _, _, rows, _ = fitted(config, model=model)
    assert rows[0]["grad_norm/encoder.l0.f/hh"] > 0
    assert not torch.equal(encoder.weight_hh_l0, before)
    if how == "pruned":
        assert torch.equal(encoder.weight_hh_l0 == 0, removed)
    groups = [value**2 for name, value in rows[0].items() if name.startswith("grad_norm/") and "total" not in name]
    assert sum(groups) ** 0.5 == pytest.approx(rows[0]["grad_norm/total"], rel=1e-5)
