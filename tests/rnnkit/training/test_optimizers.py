"""Optimizers beside torch.optim's, on both paths, and schedules beside torch's."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from experiments.digits import Config
from rnnkit.core import UserError
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


def assigned(parameter):
    parameter.data = torch.full_like(parameter.data, 2.0)


def turned(parameter):
    parameter.data = torch.arange(9.0, dtype=parameter.dtype).view(3, 3)
    parameter.data = parameter.data.t()


MOVES = {
    "assigned": assigned,
    "turned in its place": turned,
    "from a vector": lambda p: nn.utils.vector_to_parameters(torch.arange(9.0, dtype=p.dtype), [p]),
    "a view of a larger one": lambda p: setattr(p, "data", torch.ones(5, 3, dtype=p.dtype)[1:4]),
    "of the other sign": lambda p: setattr(p, "data", torch._neg_view(torch.ones(3, 3, dtype=p.dtype))),
    "in shared memory": lambda p: p.share_memory_(),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", TORCHS)
def test_parameters_that_lie_elsewhere_now_are_trained_as_by_torch(name, move, path):
    """Averaged weights, best weights and flattening are put in by assigning to `data`."""
    ours, theirs = parameters_of([(3, 3)], torch.float64), parameters_of([(3, 3)], torch.float64)
    optimizer, other = Optimizer(name, ours), TORCHS[name](theirs, 0.1)
    for moves in (False, True, False):
        for (parameter,) in (ours, theirs):
            if moves:
                MOVES[move](parameter)
            parameter.grad = torch.linspace(-1, 1, 9, dtype=torch.float64).view(3, 3)
        optimizer.step(0.1)
        other.step()
        assert torch.allclose(ours[0], theirs[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("change", [lambda data: data[:2], lambda data: data.repeat(2, 1), lambda data: data.flatten()])
@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
def test_a_parameter_of_another_shape_is_refused(name, change, path):
    parameters = parameters_of([(3, 3), (2,)], torch.float32)
    optimizer = Optimizer(name, parameters)
    parameters[0].data = change(parameters[0].data)
    with pytest.raises(ValueError, match=r"a parameter of shape \(3, 3\) has shape .* now: make a new optimizer"):
        optimizer.step(0.1)


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301 (our own)
def test_a_copy_goes_on_by_itself(name, copied, path):
    parameters = parameters_of([(3, 2), (4,)], torch.float32)
    optimizer = Optimizer(name, parameters)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step(0.1)
    twin = copied(optimizer)
    before = [parameter.detach().clone() for parameter in parameters]
    for parameter in twin.parameters:
        parameter.grad = torch.full_like(parameter, 0.5)
    twin.step(0.1)
    assert all(torch.equal(one, other) for one, other in zip(before, parameters, strict=True))
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 0.5)
    optimizer.step(0.1)
    assert all(torch.equal(one, other) for one, other in zip(twin.parameters, parameters, strict=True))
    saved, kept = optimizer.state_dict(), twin.state_dict()
    assert saved.keys() == kept.keys()
    assert all(torch.equal(torch.as_tensor(saved[key]), torch.as_tensor(kept[key])) for key in saved)


@pytest.mark.parametrize("name", TORCHS)
def test_each_parameter_counts_its_own_steps(name, path):
    """One that gets its first gradient late, after it was frozen or not read, begins as torch has it begin."""
    sizes = [(3,), (2, 2), (4,)]
    ours, theirs = parameters_of(sizes, torch.float64), parameters_of(sizes, torch.float64)
    optimizer, other = Optimizer(name, ours), TORCHS[name](theirs, 0.1)
    there = [(0,), (0, 2), (), (0, 1), (1,), (0, 1, 2)]
    for step, chosen in enumerate(there):
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            for parameter in pair:
                parameter.grad = torch.full_like(parameter, 1.0 + step) if i in chosen else None
        if step == 4:  # it goes on from what it has saved
            state = copy.deepcopy(optimizer.state_dict())
            optimizer = Optimizer(name, ours)
            optimizer.load_state_dict(state)
        optimizer.step(0.1)
        other.step()
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", TORCHS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_takes_the_steps_of_single(name, dtype):
    """With a gradient of 0, torch's Adam divides 0 by 0 in half precision, where 1e-8 is 0."""
    half, single = (nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=kind)) for kind in (dtype, torch.float32))
    gradients = torch.tensor([0.0, 2.0**-14, 1.0])
    steps = {parameter: Optimizer(name, [parameter]) for parameter in (half, single)}
    for parameter, optimizer in steps.items():
        parameter.grad = gradients.to(parameter.dtype)
        optimizer.step(0.25)
    assert torch.equal(half, single.to(dtype))
    assert half.isfinite().all()


def test_parameters_of_several_types_are_trained_together():
    ours, theirs = ([nn.Parameter(torch.ones(2, dtype=kind)) for kind in (torch.float32, torch.float64)] for _ in "ab")
    optimizer, other = Optimizer("adam", ours), torch.optim.Adam(theirs, lr=0.1)
    for _ in range(3):
        for parameter in (*ours, *theirs):
            parameter.grad = torch.tensor([0.5, -3.0], dtype=parameter.dtype)
        optimizer.step(0.1)
        other.step()
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("name", TORCHS)
def test_the_gradient_of_a_sparse_embedding_counts_as_the_plain_one(name, path):
    start = torch.arange(8.0).view(4, 2)
    pair = [nn.Embedding(4, 2, sparse=sparse, _weight=start.clone()) for sparse in (False, True)]
    steps = [Optimizer(name, list(embedding.parameters())) for embedding in pair]
    for words in ([1, 1, 3], [0], [3, 2]):
        for embedding, optimizer in zip(pair, steps, strict=True):
            embedding.weight.grad = None
            embedding(torch.tensor(words)).square().sum().backward()
            optimizer.step(0.05)
    assert torch.equal(pair[0].weight, pair[1].weight)
    assert not torch.equal(pair[0].weight, start)


def test_nothing_to_train_is_said():
    with pytest.raises(UserError, match="nothing to train: no weight of the model asks for a gradient"):
        Optimizer("adam", [])


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
