"""Observing changes nothing: no bit, no path, whatever is done to outputs and gradients."""

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence

import rnnkit
from rnnkit.nn.kernels import bptt
from rnnkit.nn.kernels.native_stack import NativeStack
from tests.rnnkit.nn.pairs import leaves
from tests.rnnkit.observation.observed import KINDS, loss_of, make, packed_list, state_for


FORMS = {
    "ragged": lambda dtype: packed_list([torch.randn(n, 3, dtype=dtype) for n in (3, 15, 1)]),
    "equal": lambda dtype: packed_list([torch.randn(13, 3, dtype=dtype) for _ in range(3)]),
    "short": lambda dtype: packed_list([torch.randn(n, 3, dtype=dtype) for n in (3, 5, 1)]),
    "padded": lambda dtype: torch.randn(3, 13, 3, dtype=dtype),
    "padded short": lambda dtype: torch.randn(3, 4, 3, dtype=dtype),
    "unbatched": lambda dtype: torch.randn(13, 3, dtype=dtype),
    "unbatched short": lambda dtype: torch.randn(4, 3, dtype=dtype),
}


def trained(kind, form, dtype, observing):
    """Two optimizer steps: all outputs and gradients on the way, the trained weights, and the random state."""
    module = make(kind, 3, 4, dtype=dtype, num_layers=2, bidirectional=True, dropout=0.5, batch_first=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    bits = []
    for _ in range(2):
        given = FORMS[form](dtype)
        data = given.data if isinstance(given, PackedSequence) else given
        data.requires_grad_()
        state = state_for(module, 3)
        if form.startswith("unbatched"):
            state = tuple(s.detach()[:, 0].requires_grad_() for s in leaves(state))
            state = state if kind == "LSTM" else state[0]
        optimizer.zero_grad()
        if observing:
            with rnnkit.observe(module) as trace:
                output, final = module(given, state)
                rows = output.data if isinstance(output, PackedSequence) else output
                loss_of(rows, leaves(final)).backward()
            for seen in trace["model"].values():
                assert seen.hidden_gradient.data.isfinite().all()
                assert seen.gates.keys() == trace["model"]["l0.f"].gates.keys()
        else:
            output, final = module(given, state)
            rows = output.data if isinstance(output, PackedSequence) else output
            loss_of(rows, leaves(final)).backward()
        optimizer.step()
        bits += [rows, *leaves(final), data.grad, *(s.grad for s in leaves(state))]
        bits += [p.grad.clone() for p in module.parameters()]
    return [*bits, *module.parameters(), torch.get_rng_state()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_do_not_depend_on_being_observed(kind, form, dtype):
    plain, observed = (trained(kind, form, dtype, observing) for observing in (False, True))
    for a, b in zip(plain, observed, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_the_path_does_not_depend_on_being_observed(kind, form, monkeypatch):
    ran = []
    for kernel in (bptt.RNN, bptt.GRU, bptt.LSTM, NativeStack):
        apply = kernel.apply
        monkeypatch.setattr(kernel, "apply", lambda *args, k=kernel, apply=apply: ran.append(k) or apply(*args))
    trained(kind, form, torch.float32, observing=False)
    plain = list(ran)
    ran.clear()
    trained(kind, form, torch.float32, observing=True)
    assert ran == plain


@pytest.mark.parametrize("form", FORMS)
def test_outputs_may_be_changed_in_place_and_gradients_by_hooks(form):
    """What is seen are the states as they were, and the gradients that the layer truly got."""
    for kind in KINDS:
        module = make(kind, 3, 4, dtype=torch.float32, batch_first=True)
        given = FORMS[form](torch.float32)
        found = []
        for change in ("none", "in place", "by a hook"):
            with rnnkit.observe(module) as trace:
                output, final = module(given)
                output = output.data if isinstance(output, PackedSequence) else output
                h_n = leaves(final)[0]
                if change == "in place":
                    h_n.mul_(3)
                    output.mul_(2)
                elif change == "by a hook":
                    output.register_hook(lambda g: g * 2)
                    h_n.register_hook(lambda g: g * 3)
                else:
                    output, h_n = output * 2, h_n * 3
                (output.sum() + h_n.sum()).backward()
            found.append(trace["model"]["l0.f"])
        for seen in found[1:]:
            torch.testing.assert_close(seen.hidden.data, found[0].hidden.data, rtol=0, atol=0)
            torch.testing.assert_close(seen.hidden_gradient.data, found[0].hidden_gradient.data)
