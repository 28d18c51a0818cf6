"""Pooling over valid steps: against loops over single sequences, in any company, with padding poisoned."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfTransformer
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence

from rnnkit.nn import heads


SIZE = 4
POOLS = ["last", "mean", "max", "attention", "joined"]
lengths_of_batches = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def pool_of(name, bidirectional=True):
    torch.manual_seed(0)
    encoder = nn.LSTM(3, SIZE, num_layers=2, bidirectional=bidirectional)
    return encoder, *heads.pooling(name, encoder)


def pooled(encoder, pool, sequences):
    output, (h_n, _) = encoder(pack_sequence(sequences, enforce_sorted=False))
    return pool(output, h_n)


def by_hand(name, output, pool):
    """What each pooling says of one sequence's top states, of shape (steps, 2 x SIZE), in plain words."""
    last = torch.cat([output[-1, :SIZE], output[0, SIZE:]])
    if name == "attention":
        scores = torch.tanh(output @ pool.project.weight.T + pool.project.bias) @ pool.query.weight[0]
        return sum(a * h for a, h in zip(torch.softmax(scores, 0), output, strict=True))
    parts = {"last": last, "mean": sum(output) / len(output), "max": output.max(0).values}
    return torch.cat([parts["last"], parts["max"], parts["mean"]]) if name == "joined" else parts[name]


@pytest.mark.parametrize("name", POOLS)
@settings(max_examples=25)
@given(lengths=lengths_of_batches)
def test_each_sequence_gets_what_it_gets_alone_by_hand(name, lengths):
    encoder, pool, size = pool_of(name)
    sequences = [torch.randn(length, 3) for length in lengths]
    found = pooled(encoder, pool, sequences)
    assert found.shape == (len(lengths), size)
    for sequence, vector in zip(sequences, found, strict=True):
        expected = by_hand(name, encoder(sequence)[0], pool)
        torch.testing.assert_close(vector, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("head", ["linear", "hidden"])
def test_padding_poisoned_with_nan_changes_nothing_at_all(name, head):
    encoder, pool, size = pool_of(name)
    score = heads.classification(size, 2, hidden=5 if head == "hidden" else 0)
    lengths = torch.tensor([5, 2, 7])
    padded = torch.randn(3, 7, 3)
    found = []
    for fill in (0.0, torch.nan):
        for i, length in enumerate(lengths):
            padded[i, length:] = fill
        output, (h_n, _) = encoder(pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False))
        scores = score(pool(output, h_n))
        gradients = torch.autograd.grad(scores.square().sum(), [*encoder.parameters(), *score.parameters()])
        found.append([scores, *gradients])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("name", POOLS)
def test_gradients_by_finite_differences(name):
    _, pool, _ = pool_of(name, bidirectional=False)
    pool = pool.double()
    output = pack_sequence([torch.randn(n, SIZE, dtype=torch.float64) for n in (3, 1, 4)], enforce_sorted=False)
    h_n = torch.randn(2, 3, SIZE, dtype=torch.float64, requires_grad=True)
    data = output.data.requires_grad_()
    assert torch.autograd.gradcheck(lambda rows, state: pool(output._replace(data=rows), state), (data, h_n))


def test_attention_weighs_valid_steps_and_sums_to_one():
    _, pool, size = pool_of("attention")
    packed = pack_sequence([100 * torch.randn(n, size) for n in (4, 1, 6)], enforce_sorted=False)
    weights, lengths = nn.utils.rnn.pad_packed_sequence(pool.weights(packed), batch_first=True)
    assert lengths.tolist() == [4, 1, 6]
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert weights.min() >= 0
    assert weights[1, 0] == 1


def test_an_attention_weight_may_underflow_and_the_others_are_one_in_all():
    _, pool, size = pool_of("attention")
    with torch.no_grad():
        pool.query.weight.fill_(1000)
    packed = pack_sequence([torch.randn(5, size)])
    weights = pool.weights(packed).data
    scores = 1000 * torch.tanh(pool.project(packed.data).double()).sum(1)
    torch.testing.assert_close(weights.double(), torch.softmax(scores, 0), rtol=1e-3, atol=1e-38)
    assert weights.eq(0).any()
    assert weights.sum().item() == pytest.approx(1)
    (gradient,) = torch.autograd.grad(pool(packed, torch.zeros(2, 1, SIZE)).sum(), pool.query.weight)
    assert gradient.isfinite().all()


def test_dropout_acts_on_the_pooled_vector_in_training_alone():
    head = heads.classification(SIZE, 2, hidden=3, dropout=0.5)
    vector = torch.ones(64, SIZE)
    assert head.train()(vector).std(0).max() > 0
    assert head.eval()(vector).std(0).max() == 0


def test_an_unknown_pooling_is_named():
    with pytest.raises(ValueError, match="no pooling 'median'"):
        heads.pooling("median", nn.GRU(3, 4))


def test_runs_of_ids_count_by_themselves_in_any_company():
    grams = heads.Grams(2, 3)
    with torch.no_grad():
        grams.weights.weight.normal_(generator=torch.Generator().manual_seed(0))
    texts = [[5, 3, 3, 9, 2], [7], [3, 5], [9, 2, 5, 3]]

    def row(run):  # the oldest id first
        hashed = sum((one + 2) * 1_000_003**lag for lag, one in enumerate(reversed(run))) % (2**31 - 1)
        return grams.weights.weight[hashed % 2**16]

    found = grams(pack_sequence([torch.tensor(ids) for ids in texts], enforce_sorted=False))
    for ids, scores in zip(texts, found, strict=True):
        padded = [-1, -1, *ids]
        runs = [padded[end - size : end] for end in range(3, len(padded) + 1) for size in (1, 2, 3)]
        assert scores.tolist() == pytest.approx((sum(map(row, runs)) / len(ids) ** 0.5).tolist(), abs=1e-5)
        assert scores.equal(grams(pack_sequence([torch.tensor(ids)]))[0])


def test_runs_of_ids_start_at_nothing_and_learn_an_order():
    grams = heads.Grams(2, 2)
    texts = pack_sequence([torch.tensor([4, 4, 5, 6, 4]), torch.tensor([4, 4, 6, 5, 4])])  # the same ids
    assert not grams(texts).any()
    optimizer = torch.optim.Adam(grams.parameters(), 0.1)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(grams(texts), torch.tensor([0, 1])).backward()
        optimizer.step()
    assert grams(texts).argmax(1).tolist() == [0, 1]


def test_runs_that_few_sequences_have_count_for_more_as_scikit_learn_weighs_them():
    grams, generator = heads.Grams(2, 1), torch.Generator().manual_seed(0)
    texts = [torch.randint(1, 9, (steps,), generator=generator) for steps in (5, 9, 4, 7)]
    counts = np.stack([np.bincount(ids, minlength=9) for ids in texts])
    grams.weigh(texts)
    expected = 3 * TfidfTransformer().fit(counts).idf_
    where = torch.cat(grams.buckets([torch.arange(9)]))
    np.testing.assert_allclose(grams.scale[where], expected, rtol=1e-6)
    with torch.no_grad():
        grams.weights.weight.normal_(generator=generator)
    scores = grams(pack_sequence([texts[0]]))[0]
    rows = grams.weights.weight[where[texts[0]]] * grams.scale[where[texts[0]]].unsqueeze(1)
    torch.testing.assert_close(scores, rows.sum(0) / 5**0.5)


def test_runs_of_two_are_weighed_by_the_sequences_that_have_them():
    grams = heads.Grams(2, 2)
    grams.weigh([torch.tensor([4, 5]), torch.tensor([4, 6, 4, 6])])
    alone, pairs = grams.buckets([torch.tensor([4, 5, 6]), torch.tensor([-1, 4, 4])])
    held = [2, 1, 1]
    for found, here in ((alone, held), (pairs, held)):  # all begin with 4
        expected = [3 * (math.log(3 / (1 + count)) + 1) for count in here]
        assert grams.scale[found].tolist() == pytest.approx(expected)


def test_nets_that_were_trained_before_there_were_such_weights_are_as_they_were():
    grams = heads.Grams(2, 2)
    grams.weigh([torch.tensor([4, 5])])
    old = {"weights.weight": torch.ones(2**16, 2)}
    grams.load_state_dict(old)
    assert grams.scale.unique().tolist() == [1.0]
    assert list(old) == ["weights.weight"]
