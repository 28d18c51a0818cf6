"""Observing whole models: calls, truncated backpropagation, other types, errors, and what is left behind."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import rnnkit
from rnnkit.core.errors import UserError
from rnnkit.nn import models
from rnnkit.sequences import Examples, collate
from tests.rnnkit.observation.observed import KINDS, assert_close, make, packed_list


class Two(nn.Module):
    """An encoder that is called twice, the second time from where the first ended, and a decoder nobody calls."""

    def __init__(self):
        super().__init__()
        self.part = nn.ModuleDict({"encoder": make("LSTM", 3, 4)})
        self.decoder = make("GRU", 3, 4)

    def forward(self, first, second):
        _, state = self.part["encoder"](input=first)
        return self.part["encoder"](second, hx=state)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_whose_type_changes_while_it_is_observed(kind):
    """Each call is seen in the type that it ran in: the second as a model that was of that type from the start."""
    layer = make(kind, 3, 4, dtype=torch.float32, num_layers=2)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    with rnnkit.observe(layer) as trace:
        layer(x.float())[0].square().sum().backward()
        layer.zero_grad()
        layer.double()(x)[0].square().sum().backward()
    with rnnkit.observe(layer) as expected:
        layer(x)[0].square().sum().backward()
    first, second = (call["l0.f"] for call in trace.calls["model"])
    assert first.hidden_gradient.data.dtype == torch.float32
    assert torch.equal(second.hidden_gradient.data, expected["model"]["l0.f"].hidden_gradient.data)


@pytest.mark.parametrize("steps", [4, 15])
def test_calls_are_kept_in_order_and_gradients_pass_from_one_to_the_other(steps):
    model = Two()
    first, second = torch.randn(steps, 2, 3, dtype=torch.float64), torch.randn(steps, 2, 3, dtype=torch.float64)
    with rnnkit.observe(model) as trace:
        output = model(first, second)
        output.square().sum().backward()
    one, two = (call["l0.f"] for call in trace.calls["part.encoder"])
    assert torch.equal(two.hidden.data, output.detach().flatten(0, 1))
    assert trace["part.encoder"]["l0.f"] is two
    assert_close(one.hidden_gradient.data[-2:], two.initial_gradient, 1e-12)
    o, c = one.gates["o"].data[-2:], one.cell.data[-2:]
    by_way_of_h = one.hidden_gradient.data[-2:] * o * (1 - c.tanh().square())
    assert_close(one.cell_gradient.data[-2:], two.initial_cell_gradient + by_way_of_h, 1e-12)
    with pytest.raises(UserError, match="decoder has not run while it was observed"):
        trace["decoder"]
    with pytest.raises(UserError, match="no recurrent module 'encoder'; it has part.encoder, decoder"):
        trace["encoder"]


def test_truncated_backpropagation_with_a_step_of_the_optimizer_between():
    module = make("GRU", 3, 4, batch_first=True)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    x, state, expected = torch.randn(2, 45, 3, dtype=torch.float64), None, []
    with rnnkit.observe(module) as trace:
        for piece in x.split(15, dim=1):
            at_start = (torch.zeros(1, 2, 4, dtype=torch.float64) if state is None else state.detach()).requires_grad_()
            output, state = module(piece, at_start)
            optimizer.zero_grad()
            output.square().sum().backward()
            optimizer.step()
            expected.append((output.detach(), at_start.grad))
    assert len(trace.calls["model"]) == 3
    for call, (output, start) in zip(trace.calls["model"], expected, strict=True):
        seen = call["l0.f"]
        padded, _ = pad_packed_sequence(seen.hidden, batch_first=True)
        assert torch.equal(padded, output)
        assert_close(seen.initial_gradient, start[0], 1e-10)  # by the weights as they were


def test_what_one_reads_between_two_backwards_is_the_first_and_then_the_sum():
    for steps in (4, 15):
        module = make("LSTM", 3, 4, num_layers=2)
        with rnnkit.observe(module) as trace:
            output, _ = module(torch.randn(steps, 2, 3, dtype=torch.float64))
            output[-1].sum().backward(retain_graph=True)
            first = trace["model"]["l0.f"].hidden_gradient.data
            torch.autograd.grad(output[-1].sum(), list(module.parameters()), create_graph=True)
        assert_close(trace["model"]["l0.f"].hidden_gradient.data, 2 * first, 1e-12)
        assert not trace["model"]["l0.f"].hidden_gradient.data.requires_grad


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("steps", [4, 15])
def test_without_gradients_there_are_states_and_gates_and_a_clear_error(without, steps):
    module = make("LSTM", 3, 4, num_layers=2, dropout=0.2)
    with rnnkit.observe(module) as trace, without():
        output, (_, c_n) = module(torch.randn(steps, 2, 3, dtype=torch.float64))
    seen = trace["model"]["l1.f"]
    assert torch.equal(seen.hidden.data, output.flatten(0, 1))
    assert_close(seen.cell.data[-2:], c_n[1], 1e-12)
    assert seen.gates["o"].data.shape == (2 * steps, 4)
    with pytest.raises(UserError, match=r"model l1.f has no gradients: no backward\(\) ran"):
        _ = seen.hidden_gradient


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_shorter_types_and_autocast_are_seen_in_float32(kind):
    torch.manual_seed(0)
    for dtype, autocast in ((torch.bfloat16, False), (torch.float32, True)):
        module, x, found = make(kind, 3, 4, dtype=dtype, num_layers=2), torch.randn(15, 2, 3, dtype=dtype), []
        for observed in (False, True):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                if observed:
                    with rnnkit.observe(module) as trace:
                        output, _ = module(x)
                        output.sum().backward()
                        seen = trace["model"]["l0.f"]
                        shown = [seen.hidden_gradient, *seen.gates.values()]
                        assert {packed.data.dtype for packed in shown} == {torch.float32}
                else:
                    output, _ = module(x)
                    output.sum().backward()
            found += [output, module.weight_hh_l0.grad]
            module.zero_grad()
        assert torch.equal(found[0], found[2])
        assert torch.equal(found[1], found[3])


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_models_with_torchs_layers_or_none_are_told_what_to_change(kind):
    model = nn.Sequential(nn.Linear(2, 3), getattr(nn, kind)(3, 4))
    with pytest.raises(UserError, match=rf"1 is torch.nn's {kind}.*from rnnkit import {kind}"), rnnkit.observe(model):
        pass
    with pytest.raises(UserError, match="Linear has no recurrent module"), rnnkit.observe(nn.Linear(2, 3)):
        pass


def test_a_tagger_that_reads_letters_is_seen_at_both_its_places():
    torch.manual_seed(0)
    words, letters = nn.Embedding(9, 3), nn.Embedding(5, 2)
    spelled = models.Spelled(words, letters, rnnkit.GRU(2, 3, bidirectional=True), [torch.tensor([1, 2])] * 9)
    encoder = rnnkit.LSTM(spelled.size, 4, num_layers=2, bidirectional=True, dropout=0.5)
    model = models.Tagger(encoder, nn.Linear(8, 3), spelled, dropout=0.5)
    with rnnkit.observe(model) as trace:
        batch = packed_list([torch.randint(0, 9, (n, 2)) for n in (14, 2)])
        model(batch).data.square().sum().backward()
    assert list(trace.calls) == ["embedding.reader", "encoder"]
    assert trace["embedding.reader"]["l0.b"].hidden_gradient.data.abs().sum() > 0
    assert list(trace["encoder"]) == ["l0.f", "l0.b", "l1.f", "l1.b"]


def test_nothing_is_left_behind():
    module = make("LSTM", 3, 4, num_layers=2)
    for steps in (4, 15):
        with rnnkit.observe(module) as trace:
            output, _ = module(torch.randn(steps, 2, 3, dtype=torch.float64))
            with rnnkit.observe(module) as inner:
                module(torch.randn(steps, 2, 3, dtype=torch.float64))[0].sum().backward()
        assert len(trace.calls["model"]) == 2
        assert len(inner.calls["model"]) == 1
        assert torch.equal(inner["model"]["l0.f"].hidden_gradient.data, trace["model"]["l0.f"].hidden_gradient.data)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert weakref.getweakrefcount(module) == 0
        output.sum().backward()
        with pytest.raises(UserError, match="while it was observed"):
            _ = trace.calls["model"][0]["l0.f"].hidden_gradient
        node = weakref.ref(output)
        del output
        gc.collect()
        assert node() is None
        module(torch.randn(steps, 2, 3, dtype=torch.float64))
        assert len(trace.calls["model"]) == 2


def test_an_error_inside_leaves_the_module_as_it_was():
    module = make("GRU", 3, 4)
    with pytest.raises(RuntimeError), rnnkit.observe(module) as trace:
        module(torch.randn(15, 2, 7, dtype=torch.float64))
    assert trace.calls == {"model": []}
    assert weakref.getweakrefcount(module) == 0
    assert not module._forward_hooks


@pytest.mark.parametrize("kind", KINDS)
def test_padding_never_leaks(kind):
    module = make(kind, 3, 4, num_layers=2, bidirectional=True)
    batch = collate(Examples([torch.randn(n, 3, dtype=torch.float64) for n in (4, 15, 1)], torch.zeros(3)))
    poisoned, lengths = pad_packed_sequence(batch.inputs, padding_value=float("nan"))
    found = []
    for packed in (batch.inputs, pack_padded_sequence(poisoned, lengths, enforce_sorted=False)):
        with rnnkit.observe(module) as trace:
            output, _ = module(packed)
            padded, _ = pad_packed_sequence(output, padding_value=float("nan"))
            padded[~padded.isnan()].square().sum().backward()
        found.append(trace["model"])
    for name in found[0]:
        for part in ("hidden", "hidden_gradient"):
            rows = [getattr(call[name], part).data for call in found]
            assert rows[0].isfinite().all()
            assert torch.equal(*rows)
