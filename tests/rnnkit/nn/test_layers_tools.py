"""Tools that rewrite, copy or parametrise a model: served as torch.nn's layers are, or told in words what to do."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import rnnkit
from rnnkit.core.errors import UserError
from rnnkit.nn import as_torch
from tests.rnnkit.nn.pairs import packed_batch, pair


KINDS = ["RNN", "GRU", "LSTM"]
X = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))


class Doubled(rnnkit.GRU):
    """A layer that does something with its input first."""

    def forward(self, input, hx=None):
        return super().forward(2 * input, hx)


class Net(nn.Module):
    """Two layers, one of them twice, and a head."""

    def __init__(self, layer, other):
        super().__init__()
        self.parts = nn.ModuleDict({"first": layer, "second": other, "again": other})
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.parts["again"](self.parts["second"](self.parts["first"](x)[0])[0])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_with_torchs_layers_has_the_same_values_and_leaves_the_model(kind):
    net = Net(pair(kind, 3, 3)[0], rnnkit.GRU(3, 3))
    copied = as_torch(net)
    assert [type(part) for part in copied.parts.values()] == [getattr(nn, kind), nn.GRU, nn.GRU]
    assert copied.parts["second"] is copied.parts["again"]
    assert copied.parts["first"].weight_hh_l0 is not net.parts["first"].weight_hh_l0
    torch.testing.assert_close(copied(X), net(X))
    assert type(net.parts["first"]) is getattr(rnnkit, kind)
    assert type(as_torch(net.parts["first"])) is getattr(nn, kind)
    parametrised = nn.utils.parametrizations.spectral_norm(rnnkit.GRU(3, 3), "weight_hh_l0")
    for changed, name in ((Doubled(3, 3), "Doubled"), (parametrised, "ParametrizedGRU")):
        with pytest.raises(UserError, match=f"{name}: a changed layer has no counterpart"):
            as_torch(nn.Sequential(changed))


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor, torch.quantize_per_channel")
def test_dynamic_quantisation_says_what_it_leaves_as_it_is(kind):
    net = nn.ModuleDict({"layer": pair(kind, 3, 4)[0]})
    quantised = torch.ao.quantization.quantize_dynamic
    with pytest.warns(UserWarning, match=rf"leaves rnnkit's {kind} as it is.*as_torch\(model\)"):
        left = quantised(net, {nn.LSTM, nn.GRU})
    assert type(left["layer"]) is getattr(rnnkit, kind)
    served = quantised(as_torch(net), {nn.LSTM, nn.GRU})["layer"]
    assert type(served).__module__.startswith("torch.ao.nn.quantized.dynamic")
    torch.testing.assert_close(served(X)[0], net["layer"](X)[0], rtol=0, atol=0.05)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_static_quantisation_says_so_too():
    net = nn.Sequential(rnnkit.GRU(3, 4))
    net.qconfig = torch.ao.quantization.default_qconfig
    with pytest.warns(UserWarning, match="leaves rnnkit's GRU as it is"):
        torch.ao.quantization.prepare(net.eval())


def test_a_subclass_is_traced_as_a_leaf_or_not_at_all():
    """A node in its place would do twice what it does before it calls ours."""
    net = nn.Sequential(Doubled(3, 4))
    with pytest.raises(torch.fx.proxy.TraceError, match="Doubled has a forward of its own"):
        torch.fx.symbolic_trace(net)

    class Leaves(torch.fx.Tracer):
        def is_leaf_module(self, m, name):
            return isinstance(m, nn.RNNBase)

    traced = torch.fx.GraphModule(net, Leaves().trace(net))
    assert torch.equal(traced(X)[0], net(X)[0])


@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated")
def test_a_subclass_is_never_scripted_as_another_layer():
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.jit.script(nn.Sequential(Doubled(3, 4)))


def test_a_parametrised_layer_traces_as_it_computes():
    net = nn.Sequential(nn.utils.parametrizations.spectral_norm(rnnkit.GRU(3, 4), "weight_hh_l0").eval())
    assert torch.equal(torch.fx.symbolic_trace(net)(X)[0], net(X)[0])


class Counted(nn.Module):
    """Counts how often a weight is computed."""

    calls = 0

    def forward(self, weight):
        self.calls += 1
        return weight * 1


class Dropped(nn.Module):
    """Weight drop: another random weight at each evaluation."""

    def forward(self, weight):
        return nn.functional.dropout(weight, 0.5)


FORMS = {
    "packed": ({}, lambda: packed_batch([4, 2, 2], 3, torch.float32)),
    "padded": ({}, lambda: X),
    "unbatched": ({}, lambda: X[:, 0]),
    "bfloat16": ({"dtype": torch.bfloat16}, lambda: X.bfloat16()),
    "projected": ({"proj_size": 2}, lambda: X),
    "wrong state": ({}, lambda: (X, torch.zeros(1, 2, 4))),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
def test_a_computed_weight_is_computed_as_often_as_by_torch(form):
    """Whichever path is taken, observed or not: a random one is another each time."""
    options, given = FORMS[form]
    counts, outputs, x = [], [], given()
    for layer in (nn.LSTM, rnnkit.LSTM):
        for observed in (False, True):
            torch.manual_seed(0)
            module, counted = layer(3, 4, **options), Counted()
            nn.utils.parametrize.register_parametrization(module, "weight_hh_l0", Dropped())
            nn.utils.parametrize.register_parametrization(module, "weight_ih_l0", counted)
            counted.calls = 0
            run = lambda module=module: module(*x) if type(x) is tuple else module(x)
            torch.manual_seed(1)
            if form == "wrong state":
                with pytest.raises((RuntimeError, ValueError, IndexError)):
                    run()
            elif observed and layer is rnnkit.LSTM:
                with rnnkit.observe(module):
                    outputs.append(run()[0])
            else:
                outputs.append(run()[0])
            counts.append(counted.calls)
    assert len(set(counts)) == 1, counts
    rows = [output if isinstance(output, torch.Tensor) else output.data for output in outputs]
    for each in rows[1:]:
        torch.testing.assert_close(each, rows[0])


def test_a_weight_that_was_pruned_or_swapped_is_the_one_that_is_used():
    ours, theirs = pair("GRU", 3, 4)
    for layer in (ours, theirs):
        prune.l1_unstructured(layer, "weight_hh_l0", 0.5)
    torch.testing.assert_close(ours(X)[0], theirs(X)[0])
    ours, theirs = pair("GRU", 3, 4)
    swapped = {"weight_hh_l0": torch.zeros(12, 4)}
    both = [torch.func.functional_call(layer, swapped, (X,))[0] for layer in (ours, theirs)]
    torch.testing.assert_close(*both)
    torch.testing.assert_close(copy.deepcopy(ours)(X)[0], theirs(X)[0])
