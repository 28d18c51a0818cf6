"""Linear layers, dropout, losses and norms of the kernel beside torch's, and their bits in batches and variants."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from experiments.digits import Config
from rnnkit.nn import heads, models, portable, promise
from rnnkit.nn.kernels.library import Kernel, kernel


TYPES = {torch.float32: 2e-6, torch.float64: 1e-13}
LOSSES = ["cross_entropy", "binary_cross_entropy_with_logits", "mse_loss"]

pytestmark = pytest.mark.skipif(kernel() is None, reason="the native kernel was not built")


def numbers(*shape, dtype=torch.float64, seed=0, scale=1.0):
    """Between -2 and 2, and the same on every machine, which torch.randn does not promise."""
    return scale * torch.randint(-2000, 2001, shape, generator=torch.Generator().manual_seed(seed)).to(dtype) / 1000


def targets_for(name, scores):
    if name == "cross_entropy":
        return torch.arange(len(scores)) * 7 % scores.shape[1]
    return torch.rand(scores.shape, dtype=scores.dtype, generator=torch.Generator().manual_seed(3))


@given(
    st.integers(1, 40), st.integers(1, 70), st.integers(1, 90), st.booleans(), st.sampled_from(list(TYPES)), st.data()
)
def test_a_linear_layer_is_torchs_in_values_and_gradients(rows, inputs, outputs, biased, dtype, data):
    x = numbers(rows, inputs, dtype=dtype).requires_grad_(data.draw(st.booleans()))
    weight = numbers(outputs, inputs, dtype=dtype, seed=1, scale=inputs**-0.5).requires_grad_()
    bias = numbers(outputs, dtype=dtype, seed=2).requires_grad_() if biased else None
    given = [tensor for tensor in (x, weight, bias) if tensor is not None and tensor.requires_grad]
    ours, theirs = portable.linear(x, weight, bias), functional.linear(x, weight, bias)
    torch.testing.assert_close(ours, theirs, rtol=TYPES[dtype], atol=3 * TYPES[dtype])
    grad = numbers(rows, outputs, dtype=dtype, seed=4)
    pairs = zip(torch.autograd.grad(ours, given, grad), torch.autograd.grad(theirs, given, grad), strict=True)
    for one, two in pairs:
        torch.testing.assert_close(one, two, rtol=TYPES[dtype], atol=TYPES[dtype] * two.abs().max().item())


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [*TYPES, torch.bfloat16])
def test_dropout_is_torchs_bit_for_bit(dtype, p, training, inplace):
    """Values, gradients and the random state after it, in rows and in steps that lie in another order."""
    found = []
    for module in (portable.Dropout(p, inplace), nn.Dropout(p, inplace)):
        torch.manual_seed(8)
        module.train(training)
        for x in (numbers(40, 13, dtype=dtype), numbers(5, 4, 6, dtype=dtype).transpose(0, 1)):
            x.requires_grad_()
            y = module(x * 2)
            y.backward(numbers(*y.shape, dtype=dtype, seed=1))
            found.append((y.detach(), x.grad, torch.get_rng_state()))
    for ours, theirs in zip(found[:2], found[2:], strict=True):
        assert all(map(torch.equal, ours, theirs))
        assert ours[0].stride() == theirs[0].stride()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (33, 10), (7, 16), (130, 17), (3, 1000)])
def test_losses_are_torchs_in_values_and_gradients(shape, dtype, name, reduction):
    scores = numbers(*shape, dtype=dtype, scale=3).requires_grad_()
    targets = targets_for(name, scores)
    ours = getattr(portable, name)(scores, targets, reduction=reduction)
    theirs = getattr(functional, name)(scores, targets, reduction=reduction)
    torch.testing.assert_close(ours, theirs, rtol=TYPES[dtype], atol=TYPES[dtype])
    assert ours.dtype == theirs.dtype
    grad = numbers(*ours.shape, dtype=dtype, seed=5)
    one, two = (torch.autograd.grad(loss, scores, grad)[0] for loss in (ours, theirs))
    torch.testing.assert_close(one, two, rtol=4 * TYPES[dtype], atol=TYPES[dtype])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(1, 5), (6, 4), (6, 4, 2)])
def test_gradients_twice_and_many_at_once(shape, name):
    x, weight, bias = numbers(*shape), numbers(3, shape[-1], seed=1), numbers(3, seed=2)
    given = tuple(tensor.requires_grad_() for tensor in (x, weight, bias))
    targets = targets_for(name, torch.zeros(x[..., 0].numel(), 3, dtype=torch.float64))

    def loss(x, weight, bias):
        return getattr(portable, name)(portable.linear(x, weight, bias).flatten(0, -2), targets)

    assert torch.autograd.gradcheck(loss, given, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(loss, given)


def test_numbers_that_are_not_finite_and_far_scores():
    infinite, nan = float("inf"), float("nan")
    scores = torch.tensor([[1, infinite, 2], [nan, 1, 2], [-infinite] * 3, [-infinite, 0, 1e30], [-1e4, 0, 1]])
    far = torch.tensor([-1e30, -200, -90, -1e-30, 0, 90, 200, nan])
    cases = [("cross_entropy", scores, torch.tensor([0, 1, 2, 0, 0]))]
    cases += [("binary_cross_entropy_with_logits", far, torch.full_like(far, t)) for t in (0.0, 0.5, 1.0)]
    for name, scores, targets in cases:
        scores = scores.requires_grad_()
        pairs = [getattr(place, name)(scores, targets, reduction="none") for place in (portable, functional)]
        torch.testing.assert_close(*pairs, equal_nan=True)
        torch.testing.assert_close(*(torch.autograd.grad(one.sum(), scores)[0] for one in pairs), equal_nan=True)


def test_a_target_that_is_no_class_is_refused():
    for wrong in (3, -1):
        with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
            portable.cross_entropy(torch.zeros(2, 3), torch.tensor([0, wrong]))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("targets", [[0, -100, 2, -100], [-100, 1, 1, 1], [2, 0, 1, -100], [-100] * 4])
def test_targets_that_are_left_out_are_so_as_by_torch(targets, reduction):
    scores, targets = numbers(4, 3).requires_grad_(), torch.tensor(targets)
    pairs = [place.cross_entropy(scores, targets, reduction=reduction) for place in (portable, functional)]
    torch.testing.assert_close(*pairs, equal_nan=True)
    torch.testing.assert_close(*(torch.autograd.grad(one.sum(), scores)[0] for one in pairs), equal_nan=True)
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        portable.cross_entropy(scores, torch.tensor([0, -100, 3, 1]), reduction=reduction)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["average", "SUM", ""])
def test_a_reduction_that_there_is_not_is_refused_as_by_torch(name, reduction):
    scores = numbers(4, 3)
    for place in (portable, functional):
        with pytest.raises(ValueError, match="is not a valid value for reduction"):
            getattr(place, name)(scores, targets_for(name, scores), reduction=reduction)


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(2, 3, 0), (0, 3, 4), (2, 0, 4), (0, 3, 0)])
@pytest.mark.parametrize("biased", [False, True])
def test_layers_of_nothing_are_torchs(rows, inputs, outputs, biased):
    x, weight = torch.ones(rows, inputs, requires_grad=True), torch.ones(outputs, inputs, requires_grad=True)
    bias = torch.ones(outputs) if biased else None
    ours, theirs = portable.linear(x, weight, bias), functional.linear(x, weight, bias)
    assert torch.equal(ours, theirs)
    pairs = zip(*(torch.autograd.grad(one.sum(), (x, weight)) for one in (ours, theirs)), strict=True)
    assert all(torch.equal(*both) for both in pairs)


def test_norms_of_the_gradients_of_a_sparse_embedding_are_those_of_a_plain_one():
    found = []
    for sparse in (False, True):
        embedding = nn.Embedding(6, 2, sparse=sparse)
        embedding(torch.tensor([1, 1, 4])).mul(torch.tensor([1.0, -2.0])).sum().backward()
        assert embedding.weight.grad.is_sparse == sparse
        found.append(portable.norms([embedding.weight.grad]))
    assert found[0] == found[1] == [pytest.approx(25**0.5)]


def test_what_the_kernel_does_not_serve_goes_to_torch():
    x, weight = numbers(2, 3, dtype=torch.float32), numbers(4, 3, dtype=torch.float32)
    half = portable.linear(x.bfloat16(), weight.bfloat16())
    assert half.dtype == torch.bfloat16
    assert torch.equal(torch.func.vmap(lambda row: portable.linear(row, weight))(x), functional.linear(x, weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert portable.linear(x, weight).dtype == torch.bfloat16
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        portable.linear(numbers(2, 5), numbers(4, 3))
    assert portable.linear(torch.zeros(0, 3), weight).shape == (0, 4)
    assert portable.Linear(3, 4).to("meta")(x.to("meta")).shape == (2, 4)


def test_a_row_has_the_same_bits_in_any_batch():
    for dtype in TYPES:
        for outputs in (1, 5, 16, 40, 300):
            x, weight, bias = (numbers(*shape, dtype=dtype) for shape in ((40, 77), (outputs, 77), (outputs,)))
            whole = portable.linear(x, weight, bias)
            for start, stop in ((0, 1), (3, 5), (0, 17), (5, 40), (39, 40)):
                assert torch.equal(portable.linear(x[start:stop], weight, bias), whole[start:stop])


def test_all_variants_give_the_same_bits(monkeypatch):
    native = kernel()
    assert native is not None
    digests = {}
    for variant in {"avx512": ("avx2", "avx512"), "avx2": ("avx2",)}.get(native.variant, (native.variant,)):
        other = Kernel(native.library, variant)
        monkeypatch.setattr(portable, "kernel", lambda other=other: other)
        digest = hashlib.sha256()
        for dtype in TYPES:
            for rows, inputs, outputs in ((1, 3, 5), (32, 16, 10), (90, 130, 33), (600, 7, 70)):
                x, weight, bias = (numbers(*s, dtype=dtype) for s in ((rows, inputs), (outputs, inputs), (outputs,)))
                given = [tensor.requires_grad_() for tensor in (x, weight, bias)]
                scores = portable.linear(*given)
                losses = [getattr(portable, name)(scores, targets_for(name, scores)) for name in LOSSES]
                losses.append(portable.cross_entropy(scores.flatten().view(1, -1), torch.tensor([0])))
                for result in (scores, *losses, *torch.autograd.grad(sum(losses), given)):
                    digest.update(result.detach().numpy().tobytes())
                digest.update(repr(portable.norms(given)).encode())
        digests[variant] = digest.hexdigest()
    assert set(digests.values()) == {GOLDEN}, digests


# SHA-256 over all of the above. It changes with the order of an operation, and then on purpose.
GOLDEN = "977a9b82b4ad115d6724455adb69f73a832daf933b1692f27b8d4a7af7191155"


def test_norms_and_totals_are_those_of_double_precision():
    tensors = [numbers(n, dtype=torch.float32, seed=n) for n in (1, 7, 8, 9, 1000)]
    expected = [tensor.double().norm().item() for tensor in tensors]
    assert portable.norms(tensors) == pytest.approx(expected, rel=1e-14)
    others = [tensor * 0.5 for tensor in tensors]
    assert portable.norms(tensors, others) == pytest.approx([norm / 2 for norm in expected], rel=1e-14)
    assert portable.norms([]) == []
    assert [portable.total(tensor) for tensor in tensors] == pytest.approx(
        [tensor.double().sum().item() for tensor in tensors], rel=1e-13
    )


def test_a_layer_starts_and_is_kept_as_torchs():
    torch.manual_seed(0)
    ours = portable.Linear(5, 3)
    torch.manual_seed(0)
    theirs = nn.Linear(5, 3)
    assert all(torch.equal(one, two) for one, two in zip(ours.parameters(), theirs.parameters(), strict=True))
    theirs.load_state_dict(ours.state_dict())


CPU = torch.device("cpu")


def limits(config, **options):
    return promise.limits(config, models.classifier(config, 3, 4, longest=9, **options), CPU)


@pytest.fixture
def on_avx2(monkeypatch):
    monkeypatch.setattr(promise, "in_force", lambda: {"variant": "avx2"})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.mark.parametrize("init", ["default", "orthogonal", "identity", "forget-bias", "chrono"])
def test_models_of_our_parts_are_the_same_anywhere(init, on_avx2):
    config = Config(init=init, dropout=0.2)
    assert limits(config) == []
    for pool in ("mean", "max", "joined"):
        assert limits(config, vocabulary=9, pool=pool, head_size=5, head_dropout=0.1) == []


def test_what_is_left_to_torch_is_named(on_avx2, monkeypatch):
    assert limits(Config(), pool="attention") == ["torch computes AttentionPool"]
    assert limits(Config(bits="torch")) == ["--bits torch leaves linear layers and losses to torch"]
    assert limits(Config(layers="torch")) == ["--layers torch leaves recurrent layers to torch"]
    model = models.SequenceClassifier(nn.GRU(3, 4), heads.LastState(False), portable.Linear(4, 2))
    assert promise.limits(Config(), model, CPU) == ["torch computes GRU"]
    assert promise.limits(Config(), model, torch.device("cuda")) == ["it runs on a GPU"]
    monkeypatch.setattr(promise, "in_force", lambda: {"variant": "none"})
    assert limits(Config()) == ["the native kernel is not in force"]
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert limits(Config())[1:] == ["torch runs without AVX2"]
