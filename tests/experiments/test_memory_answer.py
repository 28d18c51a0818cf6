"""What stands beside the losses of `memory`, and the answer in words."""

import math

import pytest

from experiments import memory


def test_the_usual_length_is_that_length_by_another_name():
    assert memory.Config().length == 200
    assert memory.Config(task="reber") == memory.Config(task="reber", length=12)


def beside(config):
    task = memory.task_of(config)
    return memory.beside(config, task, memory.held_out(config, task)[1])


def test_published_losses_stand_beside_the_length_they_are_for():
    config = memory.Config(task="copying", length=1_000, cell="gru")
    found = beside(config)
    assert {r.what: r.value for r in found if r.kind == "published"}["GRU (Bai et al., 2018)"] == 0.0197
    (nothing,) = [r.value for r in found if r.what == "without memory of the symbols"]
    assert nothing == pytest.approx(0.0204, abs=5e-5)  # so they had learned nothing
    usual = beside(memory.Config())
    assert not any(r.kind == "published" for r in usual)


def test_what_is_known_of_a_reber_string_is_also_said_as_an_excess():
    found = beside(memory.Config(task="reber"))
    losses = {r.what: r.value for r in found if r.metric == "loss"}
    excesses = {r.what: r.value for r in found if r.metric == "excess"}
    assert losses["best possible, expected"] == pytest.approx(ENTROPY)
    here = {what: value for what, value in losses.items() if not what.endswith(", expected")}
    best = here.pop("best possible")
    assert excesses == {what: value - best for what, value in here.items()}


def test_without_memory_is_what_it_costs_on_the_same_examples():
    """Ours is measured beside what 1 for every sum has on the same sums; the expected 2/12 stands there too."""
    sums = memory.held_out(memory.Config(), memory.task_of(memory.Config()))[1].targets
    values = {r.what: r.value for r in beside(memory.Config())}
    assert values["without memory (1 for every sum)"] == pytest.approx((sums - 1).square().mean().item())
    assert values["without memory (1 for every sum), expected"] == pytest.approx(2 / 12)
    assert [r.what for r in beside(memory.Config()) if r.kind == "limit"] == ["best possible"]


ENTROPY = 7 * math.log(2) / 11


@pytest.mark.parametrize(
    ("task", "scores", "remembers"),
    [
        ("adding", {"loss": 0.0099}, True),
        ("adding", {"loss": 0.0101}, False),
        ("copying", {"loss": 0.99 * math.log(8) / 120, "accuracy": 0.9}, True),
        ("copying", {"loss": 1.01 * math.log(8) / 120, "accuracy": 1.0}, False),
        ("temporal-order", {"loss": 0.5, "accuracy": 0.991}, True),
        ("temporal-order", {"loss": 0.0, "accuracy": 0.99}, False),
        ("reber", {"loss": 0.4, "accuracy": 1.0, "excess": 0.0099 * ENTROPY}, True),
        ("reber", {"loss": 0.4, "accuracy": 1.0, "excess": 0.0101 * ENTROPY}, False),
        ("reber", {"loss": 0.4, "accuracy": 0.99, "excess": 0.0}, False),
    ],
)
@pytest.mark.parametrize("split", ["valid", "test"])
def test_the_verdict_has_a_clear_limit(task, scores, remembers, split):
    config = memory.Config(task=task)
    metrics = {f"metric/{name}/{split}": value for name, value in scores.items()}
    found, why = memory.verdict(config, memory.task_of(config), metrics, split)
    assert found is remembers
    assert "asked for: " in why
