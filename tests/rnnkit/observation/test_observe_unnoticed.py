"""Nobody notices that a layer is observed: no copy, no thread, no hook; and what is shown is that layer's own work."""

import copy
import io
import pickle
import threading
import traceback
import weakref

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

import rnnkit
from rnnkit.core.errors import UserError
from tests.rnnkit.nn.pairs import PATHS, take
from tests.rnnkit.observation.observed import KINDS, assert_close, make


X = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.fixture(params=PATHS, autouse=True)
def path(request, monkeypatch):
    take(request.param, monkeypatch)
    return request.param


def saved(module):
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


def by_dict(module):
    twin = type(module).__new__(type(module))
    twin.__dict__ = dict(vars(module))
    return twin


COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),  # noqa: S301 (our own bytes)
    "torch.save": saved,
    "average": lambda module: AveragedModel(module).module,
    "replica": lambda module: module._replicate_for_data_parallel(),
    "dict": by_dict,
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_made_inside_of_the_block_are_not_observed(kind):
    module = make("LSTM", 3, 4)
    before, attributes = set(vars(module)), dir(module)
    plain = module(X)[0]
    with rnnkit.observe(module) as trace:
        assert set(vars(module)) == before
        assert dir(module) == attributes
        twin = COPIES[kind](module)
        assert torch.equal(twin(X)[0], plain)
        assert trace.calls == {"model": []}
        module(X)
    twin(X)
    assert len(trace.calls["model"]) == 1
    assert set(vars(twin)) - {"_is_replica"} == before
    assert not twin._forward_hooks
    assert weakref.getweakrefcount(twin) == 0


def test_best_weights_kept_inside_of_the_block_are_the_weights():
    module = make("GRU", 3, 4)
    plain = {name: weight.clone() for name, weight in module.state_dict().items()}
    with rnnkit.observe(module):
        module(X)[0].sum().backward()
        best = copy.deepcopy(module.state_dict())
    assert list(best) == list(plain)
    assert all(torch.equal(best[name], plain[name]) for name in plain)
    make("GRU", 3, 4, seed=1).load_state_dict(best)


@pytest.mark.parametrize("kind", KINDS)
def test_users_hooks_change_what_goes_in_and_out_and_never_what_is_seen(kind):
    """Also a hook that draws random numbers before the call, which the layer's dropout does not see."""
    module = make(kind, 3, 4, num_layers=2, dropout=0.4)
    noise = []

    def before(module, args):
        noise.append(torch.rand_like(args[0]))
        return (args[0] + noise[-1],)

    module.register_forward_pre_hook(before)
    module.register_forward_hook(lambda module, args, result: result[0] * 2)
    torch.manual_seed(0)
    with rnnkit.observe(module) as trace:
        module.register_forward_hook(lambda module, args, result: -result)
        output = module(X)
        output.sum().backward()
    bare = copy.deepcopy(module)
    bare._forward_hooks.clear()
    bare._forward_pre_hooks.clear()
    torch.manual_seed(0)
    torch.rand_like(X)
    with rnnkit.observe(bare) as expected:
        (-2 * bare(X + noise[0])[0]).sum().backward()
    assert_close(output.detach(), -2 * expected["model"]["l1.f"].hidden.data.view(5, 2, 4), 1e-12)
    for place in ("l0.f", "l1.f"):
        for part in ("hidden", "hidden_gradient"):
            found = [getattr(each["model"][place], part).data for each in (trace, expected)]
            assert_close(*found, 1e-12)
    # What dropout between the layers left is what the second one read: by its equations it gives the second's states.
    x, *before_ = trace["model"]["l1.f"].starts
    weights = [getattr(module, f"{name}_l1") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    options = {"activation": torch.relu} if kind == "ReLU" else {}
    state = KINDS[kind][1](x, tuple(before_) if kind == "LSTM" else before_[0], *weights, **options)
    assert_close(state[0] if kind == "LSTM" else state, trace["model"]["l1.f"].hidden.data, 1e-12)


def test_hooks_on_the_way_back_and_calls_of_forward_itself():
    module = make("GRU", 3, 4)
    module.register_full_backward_hook(lambda module, given, got: None)
    x = X.clone().requires_grad_()
    with rnnkit.observe(module) as trace:
        module(x)[0].sum().backward()
        module.forward(x)[0].sum().backward()
    first, second = (call["l0.f"].hidden_gradient.data for call in trace.calls["model"])
    assert torch.equal(first, second)


def test_an_error_that_is_kept_does_not_keep_the_observer():
    module, kept = make("GRU", 3, 4), []
    with rnnkit.observe(module) as trace:
        try:
            module(torch.randn(5, 2, 7, dtype=torch.float64))
        except RuntimeError as error:
            kept.append(error)
        module(X)
    assert traceback.format_exception(kept[0])
    module(X)
    assert len(trace.calls["model"]) == 1
    with pytest.raises(KeyboardInterrupt), rnnkit.observe(module) as trace:
        module(X)
        raise KeyboardInterrupt
    module(X)
    assert len(trace.calls["model"]) == 1


def test_nested_repeated_and_interleaved_blocks():
    module = make("GRU", 3, 4)
    observer = rnnkit.observe(module)
    with observer as outer:
        module(X)
        with observer as inner:
            module(X)
        module(X)
    with observer as again:
        module(X)
    module(X)
    assert [len(trace.calls["model"]) for trace in (outer, inner, again)] == [3, 1, 1]
    first, second = rnnkit.observe(module), rnnkit.observe(module)
    one, two = first.__enter__(), second.__enter__()
    module(X)
    first.__exit__(None, None, None)
    module(X)
    second.__exit__(None, None, None)
    module(X)
    assert [len(trace.calls["model"]) for trace in (one, two)] == [1, 2]


def test_threads_see_what_they_run_themselves():
    module = make("LSTM", 3, 4, num_layers=2)
    inputs = [torch.full((5, 2, 3), float(i), dtype=torch.float64) for i in range(4)]
    alone = [module(x)[0].detach() for x in inputs]
    traces, start = {}, threading.Barrier(len(inputs) + 1)

    def work(number):
        start.wait()
        for _ in range(20):
            with rnnkit.observe(module) as trace:
                torch.autograd.grad(module(inputs[number])[0].sum(), list(module.parameters()))
            traces.setdefault(number, []).append(trace)

    threads = [threading.Thread(target=work, args=[number]) for number in range(len(inputs))]
    for thread in threads:
        thread.start()
    with rnnkit.observe(module) as here:
        start.wait()
        for thread in threads:
            thread.join()
    assert here.calls == {"model": []}
    for number, found in traces.items():
        assert len(found) == 20
        for trace in found:
            (call,) = trace.calls["model"]
            assert torch.equal(call["l1.f"].hidden.data, alone[number].flatten(0, 1))
            assert call["l1.f"].hidden_gradient.data.shape == (10, 4)
    assert weakref.getweakrefcount(module) == 0


def test_a_module_with_several_names_is_seen_by_each_of_them():
    cell = make("GRU", 3, 3)
    inner = nn.ModuleDict({"layer": cell})
    model = nn.ModuleDict({"question": inner, "answer": inner, "same": cell, "other": make("GRU", 3, 3)})
    inner.parent = inner  # a circle ends
    with rnnkit.observe(model) as trace:
        output = model["same"](model["answer"]["layer"](X)[0])[0]
        output.sum().backward()
    assert list(trace.calls) == ["question.layer", "answer.layer", "same", "other"]
    assert len(trace.calls["same"]) == 2
    assert trace["same"] is trace["question.layer"] is trace["answer.layer"]
    first, second = (call["l0.f"] for call in trace.calls["same"])
    assert torch.equal(second.hidden.data, output.detach().flatten(0, 1))
    assert first.hidden_gradient.data.abs().sum() > 0
    assert not torch.equal(first.hidden.data, second.hidden.data)


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpointed_layer_is_seen_with_its_gradients(reentrant):
    module = make("GRU", 3, 4)
    x = X.clone().requires_grad_()
    with rnnkit.observe(module) as plain:
        module(x)[0].square().sum().backward()
    with rnnkit.observe(module) as trace:
        checkpoint(lambda x: module(x)[0], x, use_reentrant=reentrant).square().sum().backward()
    seen = next(call["l0.f"] for call in trace.calls["model"] if call["l0.f"].reached())
    assert_close(seen.hidden_gradient.data, plain["model"]["l0.f"].hidden_gradient.data, 1e-12)


class Doubled(rnnkit.GRU):
    """A subclass that does something with its input first."""

    def forward(self, input, hx=None):
        return super().forward(2 * input, hx)


def test_a_class_made_from_ours_is_refused_in_a_line():
    with pytest.raises(UserError) as error, rnnkit.observe(nn.Sequential(Doubled(3, 4))):
        pass
    assert str(error.value).startswith("0 cannot be observed: Doubled is a class of its own, made from GRU, and its ")
    assert "\n" not in str(error.value)


class Tagged(torch.Tensor):
    """A tensor of another type."""


def in_vjp(module):
    torch.func.vjp(lambda x: module(x)[0], X)


CLOSED = {
    "torch.func": (in_vjp, "torch.func"),
    "meta": (lambda module: module.to("meta")(X.to("meta")), "meta device"),
    "subclass": (lambda module: module(X.as_subclass(Tagged)), "type Tagged"),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_what_cannot_be_kept_runs_as_ever_and_says_why_when_it_is_asked_for(kind):
    run, why = CLOSED[kind]
    module = make("GRU", 3, 4, num_layers=2)
    with rnnkit.observe(module) as trace:
        run(module)
    seen = trace["model"]["l1.f"]
    for ask in (lambda: seen.hidden, lambda: seen.gates, lambda: seen.hidden_gradient, lambda: seen.starts):
        with pytest.raises(UserError, match=f"model l1.f cannot be shown: .*{why}"):
            ask()
    with pytest.raises(UserError, match=why):
        seen.carried_back(torch.ones(2, 4))
