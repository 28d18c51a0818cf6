"""Optimizers beside torch.optim's, on both paths, and schedules beside torch's."""

import copy
import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from experiments.digits import Config
from rnnkit.nn import portable
from rnnkit.training.optimizers import Optimizer, schedule_of


TORCHS = {
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
    "rmsprop": lambda parameters, rate: torch.optim.RMSprop(parameters, lr=rate),
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate),
}


def parameters_of(sizes, dtype):
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(size, dtype=dtype, generator=generator)) for size in sizes]


@pytest.fixture(params=["native", "torch"])
def path(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(portable, "kernel", lambda: None)
    elif portable.kernel() is None:
        pytest.skip("the native kernel was not built")
    return request.param


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", TORCHS)
def test_steps_are_those_of_torch(name, dtype, path):
    sizes = [(3, 17), (5,), (1,), (40, 9)]
    ours, theirs = parameters_of(sizes, dtype), parameters_of(sizes, dtype)
    optimizer, other = Optimizer(name, ours), TORCHS[name](theirs, 0.02)
    assert (optimizer._native is None) == (path == "torch")
    generator = torch.Generator().manual_seed(1)
    for step in range(6):
        for one, two in zip(ours, theirs, strict=True):
            gradient = torch.randn(one.shape, dtype=dtype, generator=generator)
            one.grad, two.grad = gradient, gradient * 0.3
        ours[2].grad = theirs[2].grad = None  # it stays as it is
        other.param_groups[0]["lr"] = rate = 0.02 / (step + 1)
        optimizer.step(rate, scale=0.3)
        other.step()
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)

    # A state of torch's, which older records have, is gone on from, and so is ours.
    optimizer = Optimizer(name, ours)
    optimizer.load_state_dict(other.state_dict())
    state = copy.deepcopy(optimizer.state_dict())
    optimizer = Optimizer(name, ours)
    optimizer.load_state_dict(state)
    for one, two in zip(ours, theirs, strict=True):
        one.grad = two.grad = torch.ones_like(one)
    ours[2].grad = theirs[2].grad = None
    optimizer.step(0.01)
    other.param_groups[0]["lr"] = 0.01
    other.step()
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)


def test_a_state_of_other_parameters_is_refused():
    optimizer = Optimizer("adam", parameters_of([(3,), (2, 2)], torch.float32))
    for parameter in optimizer.parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step(0.1)
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match="other parameters"):
        Optimizer("adam", parameters_of([(3,)], torch.float32)).load_state_dict(state)
    with pytest.raises(KeyError):
        Optimizer("rmsprop", parameters_of([(3,), (2, 2)], torch.float32)).load_state_dict(state)
    theirs = torch.optim.Adam(optimizer.parameters)
    theirs.step()
    with pytest.raises(ValueError, match="other parameters"):
        Optimizer("adam", parameters_of([(3,)], torch.float32)).load_state_dict(theirs.state_dict())
    with pytest.raises(ValueError, match="other shapes"):
        Optimizer("adam", parameters_of([(3,), (4,)], torch.float32)).load_state_dict(theirs.state_dict())


@given(st.integers(2, 200), st.sampled_from(["one-cycle", "cosine", "constant"]), st.sampled_from([1e-4, 0.01, 3.0]))
def test_schedules_are_those_of_torch(steps, schedule, peak):
    config = dataclasses.replace(Config(), schedule=schedule, learning_rate=peak)
    optimizer, kinds = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=peak), torch.optim.lr_scheduler
    theirs = {
        "one-cycle": lambda: kinds.OneCycleLR(optimizer, peak, total_steps=steps),
        "cosine": lambda: kinds.CosineAnnealingLR(optimizer, steps),
        "constant": lambda: kinds.ConstantLR(optimizer, 1),
    }[schedule]()
    ours = schedule_of(config, steps)
    optimizer.step()
    for step in range(steps):
        group = optimizer.param_groups[0]
        assert ours(step) == pytest.approx((group["lr"], group["betas"][0]), rel=1e-9, abs=1e-12 * peak)
        if step + 1 < steps:
            theirs.step()


def test_a_schedule_of_ones_own_is_a_factor_of_the_learning_rate():
    rates = schedule_of(Config(learning_rate=0.5), 10, lambda step: 1 / (1 + step))
    assert [rates(step) for step in (0, 1, 4)] == [(0.5, 0.9), (0.25, 0.9), (0.1, 0.9)]


def test_one_step_alone_has_a_rate():
    assert math.isfinite(schedule_of(Config(schedule="one-cycle"), 1)(0)[0])
