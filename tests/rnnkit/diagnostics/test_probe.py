"""What each recurrent module reads, however it is called."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import rnnkit
from rnnkit.diagnostics import monitor, probe


PACKED = pack_sequence([torch.randn(n, 3) for n in (6, 2)])
H, C = torch.randn(1, 2, 4), torch.randn(1, 2, 4)
CALLS = {
    "by place": lambda layer: layer(PACKED, (H, C)),
    "by name": lambda layer: layer(input=PACKED, hx=(H, C)),
    "a list": lambda layer: layer(PACKED, [H, C]),
    "a list by name": lambda layer: layer(PACKED, hx=[H, C]),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", [rnnkit.LSTM, nn.LSTM])
def test_input_and_states_are_found_however_they_are_given(call, kind):
    model = nn.ModuleDict({"encoder": kind(3, 4)})
    readings = probe.layer_inputs(model, lambda: CALLS[call](model["encoder"]))
    (module, inputs, initial) = readings["encoder"]
    assert inputs is PACKED
    assert initial[0][0] is H
    assert initial[0][1] is C
    seen = monitor.seen(module, inputs, initial)["l0.f"]
    torch.testing.assert_close(seen.hidden.data.float(), module(PACKED, (H, C))[0].data)
    assert monitor.look(model, probe.ProbeBatch(lambda: CALLS[call](model["encoder"]), lambda k: C, 4)).numbers


def test_a_state_that_is_left_out_or_none_is_no_state():
    model = nn.ModuleDict({"encoder": rnnkit.GRU(3, 4)})
    for call in (lambda layer: layer(PACKED), lambda layer: layer(PACKED, None), lambda layer: layer(PACKED, hx=None)):
        assert probe.layer_inputs(model, lambda call=call: call(model["encoder"]))["encoder"][2] == ()
