"""The inputs and the errors with which PyTorch tests its own RNN, GRU and LSTM, put to ours."""

import functools

import pytest
import torch
from torch import nn
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

import rnnkit


OURS = {nn.RNN: rnnkit.RNN, nn.GRU: rnnkit.GRU, nn.LSTM: rnnkit.LSTM}
INFOS = [info for info in module_db if info.module_cls in OURS]


def named(info):
    return info.module_cls.__name__


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("info", INFOS, ids=named)
def test_module_inputs(info, dtype, training, packed):
    """Outputs as torch's, and as PyTorch's own reference for the case where there is one."""
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    options = {"requires_grad": True, "training": training, "with_packed_sequence": packed}
    cases = info.module_inputs_func(info, device="cpu", dtype=dtype, **options)
    for case in cases:
        made, given = case.constructor_input, case.forward_input
        options = {**made.kwargs, "dtype": dtype}
        layers = [kind(*made.args, **options).train(training) for kind in (OURS[info.module_cls], info.module_cls)]
        layers[1].load_state_dict(layers[0].state_dict())
        calls = [lambda layer=layer, given=given: layer(*given.args, **given.kwargs) for layer in layers]
        if case.reference_fn is not None and not packed:  # it is written for tensors
            reference = functools.partial(case.reference_fn, layers[0])
            calls.append(lambda reference=reference, given=given: reference(*given.args, **given.kwargs))
        found = []
        for call in calls:
            torch.manual_seed(0)
            found.append(flat(call()))
        for other in found[1:]:
            for a, b in zip(found[0], other, strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=tolerance * max(1.0, b.abs().max().item()))
    assert len(cases) > 4


@pytest.mark.parametrize("info", INFOS, ids=named)
def test_module_error_inputs(info):
    cases = info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=False, training=True, with_packed_sequence=False
    )
    for case in cases:
        made, given = case.module_error_input.constructor_input, case.module_error_input.forward_input
        kind = OURS[info.module_cls]
        if case.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(case.error_type, match=case.error_regex):
                kind(*made.args, **made.kwargs)
        else:
            layer = kind(*made.args, **made.kwargs)
            with pytest.raises(case.error_type, match=case.error_regex):
                layer(*given.args, **given.kwargs)
    assert len(cases) >= 2  # so many has torch 2.9


def flat(result):
    """All tensors of an output, in order."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [tensor for part in result if part is not None for tensor in flat(part)]
