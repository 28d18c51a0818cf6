"""Whatever default device or type, inference mode or deterministic mode a user has set, the numbers are the same."""

import contextlib
import functools

import pytest
import torch
from torch import nn

import rnnkit
from experiments.digits import Config
from rnnkit import sequences
from rnnkit.core import seeding
from rnnkit.datasets import digits
from rnnkit.datasets.generated import memory_tasks, reber
from rnnkit.diagnostics import credit_horizon, dynamics, monitor, probe
from rnnkit.nn import heads, initialisation, models, portable
from rnnkit.nn.embeddings import Spelled
from rnnkit.sequences import Examples, bptt_chunks


@contextlib.contextmanager
def default_type():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def deterministic():
    """Also has memory that was not written filled with NaN, as torch does then."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def default_device():
    """Tensors without numbers stand for those on a GPU: whatever meets them ends in an error."""
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


SETTINGS = {
    "default device": default_device,
    "device": lambda: torch.device("meta"),
    "default type": default_type,
    "deterministic": deterministic,
    "inference mode": torch.inference_mode,
}

EXAMPLES = Examples([torch.randn(n, 3, generator=seeding.generator(n, "x")) for n in (4, 9, 1, 9)], torch.arange(4))
LENGTHS = torch.tensor([4, 9, 1, 9])
LAYERS = [kind(3, 4, num_layers=2, bidirectional=True) for kind in (rnnkit.RNN, rnnkit.GRU, rnnkit.LSTM)]
MODEL, ATTENTION, cost = models.classifier(Config(cell="lstm"), 3, 4, 9), heads.AttentionPool(8), portable.cross_entropy
SPELLED = Spelled(nn.Embedding(5, 2), nn.Embedding(5, 2), rnnkit.GRU(2, 3), [torch.tensor([1, 2]), torch.tensor([3])])


def packed():
    return sequences.collate(EXAMPLES).inputs


def batches():
    made = [*sequences.batches(EXAMPLES, 2), *sequences.shuffled_batches(EXAMPLES, 3, 0, 1)]
    chosen = [(batch.inputs.data, batch.inputs.batch_sizes, batch.targets, batch.lengths) for batch in made]
    return [*sum(chosen, ()), *sequences.bucketed_order(LENGTHS, 2, 0, 0), EXAMPLES.lengths]


def rows():
    made = packed()
    found = [f(made) for f in (sequences.owners, sequences.times, sequences.lengths_of_rows)]
    return [*found, sequences.reverse(made).data, sequences.mask(LENGTHS), sequences.pack(EXAMPLES.inputs).data]


def chunks():
    ids = torch.arange(60, device="cpu")
    made = [*bptt_chunks.contiguous(ids, 3, 5), *bptt_chunks.chunks_at_random(ids, 4, 5, 3, 0, 0)]
    return sum(([chunk.inputs, chunk.targets] for chunk in made), [])


def layers():
    return sum(([output.data, *(final if isinstance(final, tuple) else [final])] for output, final in ran()), [])


def ran():
    return [layer(packed()) for layer in LAYERS]


def observed():
    found = []
    with torch.inference_mode(False):
        for layer in LAYERS:
            with rnnkit.observe(layer) as trace:
                layer(packed())[0].data.square().sum().backward()
            seen = trace["model"]["l0.b"]
            found += [seen.hidden_gradient.data, seen.starts[1], *(gate.data for gate in seen.gates.values())]
            found += [rnnkit.observe.by_lag(seen.hidden_gradient), rnnkit.observe.by_time(seen.hidden)]
            found += [credit_horizon.gradient_by_lag(seen.hidden_gradient)]
    return found


def spelled():
    return [SPELLED(torch.tensor([[1, 0], [2, 1], [1, 0]], device="cpu"))]


def exponents():
    return [dynamics.lyapunov_exponents(LAYERS[1], EXAMPLES.inputs[1], 2)]


def data():
    tasks = [memory_tasks.adding(10), memory_tasks.copying(5), memory_tasks.temporal_order(20), reber.embedded(20)]
    made = [task.make(3, seeding.generator(0, "made")) for task in tasks]
    made.append(digits.load().train)
    return sum(([*examples.inputs[:5], examples.joined_targets] for examples in made), [])


def inside():
    """What a monitor sees of a model, with what a head makes of it."""
    watched = probe.examples(MODEL, EXAMPLES, torch.device("cpu"), functools.partial(cost, reduction="none"))
    looked = monitor.look(MODEL, watched)
    found = [*looked.curves.values(), *monitor.portrait(MODEL, watched).values()]
    numbers = [*looked.numbers.values(), *monitor.truncation(MODEL, watched)[1]]
    return [*found, torch.tensor(numbers, dtype=torch.float64, device="cpu")]


def pooled():
    output, h_n = LAYERS[1](packed())
    pools = (heads.LastState(True), heads.MeanPool(), heads.MaxPool(), ATTENTION, heads.JoinedPool(True))
    return [pool(output, h_n) for pool in pools]


def lost():
    scores, targets = EXAMPLES.inputs[1], torch.tensor([0, 2, 1, -100, 1, 0, 0, 2, 2], device="cpu")
    found = [cost(scores, targets), cost(scores, targets, reduction="none"), portable.mse_loss(scores, scores.cos())]
    return [*found, portable.binary_cross_entropy_with_logits(scores, scores.sigmoid())]


def initialised():
    found = []
    for kind, name in [
        (rnnkit.RNN, "identity"),
        *((rnnkit.LSTM, name) for name in ("orthogonal", "forget-bias", "chrono")),
    ]:
        torch.manual_seed(0)
        layer = kind(3, 4, device="cpu", dtype=torch.float32)
        initialisation.initialise_(layer, name, longest=9)
        found += [parameter.detach() for parameter in layer.parameters()]
    return found


MADE = [batches, rows, chunks, layers, observed, spelled, exponents, data, inside, pooled, lost, initialised]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("make", MADE)
def test_numbers_do_not_depend_on_what_a_user_has_set(setting, make):
    expected = make()
    with SETTINGS[setting]():
        found = make()
    assert len(found) == len(expected) > 0
    for a, b in zip(found, expected, strict=True):
        assert (a.device, a.dtype) == (b.device, b.dtype)
        assert torch.equal(a, b)


def test_what_inference_mode_made_is_nobodys_later():
    """What is computed once and kept must be fit for gradients later, whoever asked first."""
    layer = LAYERS[2]
    with torch.inference_mode():
        layer(packed())
    layer(packed())[0].data.sum().backward()
