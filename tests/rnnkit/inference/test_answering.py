"""One sequence alone and in any batch has the same answer; what scores mean; what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnkit import nn
from rnnkit.core import UserError
from rnnkit.inference import answering
from rnnkit.nn import models
from tests.rnnkit.inference.made import CLASSES, SCALED, classifier, config, language_model, model, same, series, tagger


KERNEL = nn.kernel_in_force()["variant"] != "none"
LENGTHS = st.lists(st.integers(1, 40), min_size=2, max_size=70)
SENTENCES = st.lists(st.lists(st.sampled_from(["the", "Cat", "sat", "THE", "unheard", "m"]), min_size=1), min_size=2)


@given(
    lengths=LENGTHS,
    cell=st.sampled_from(["rnn", "gru", "lstm", "lngru"]),
    both=st.booleans(),
    depth=st.integers(1, 2),
    pool=st.sampled_from(["last", "mean", "max", "joined", "attention"]),
    bits=st.sampled_from(["portable", "torch"]),
    members=st.integers(1, 2),
)
@settings(max_examples=14)
def test_a_sequence_has_the_same_answer_alone_and_in_any_batch(lengths, cell, both, depth, pool, bits, members):
    net = classifier(members, pool, head_size=5, cell=cell, bidirectional=both, depth=depth, bits=bits)
    assert answering.is_batched(net) == (KERNEL and bits == "portable" and pool != "attention" and cell != "lngru")
    sequences = series(lengths)
    together = net.predict_proba(sequences)
    assert same(together, [net.predict_proba([one])[0] for one in sequences])
    assert same(together, net.predict_proba(sequences[::-1])[::-1])
    assert net.predict(sequences) == [CLASSES[shares.argmax()] for shares in together]


def test_cells_of_any_kind_are_made_again_with_what_they_do_in_evaluation():
    """Zoneout leaves a mean of states there, which a net without it would not."""
    sequences = series([4, 7])
    for kind in ({"cell": "peephole"}, {"cell": "lru"}, {"cell": "gru", "zoneout": 0.5, "recurrent_dropout": 0.2}):
        made = models.classifier(config(bidirectional=False, **kind), 3, 4, 9).eval()
        net = model(made, "series", "label", **{**SCALED, "means": (0.0,) * 3, "deviations": (1.0,) * 3})
        packed = torch.nn.utils.rnn.pack_sequence([torch.from_numpy(one).float() for one in sequences], False)
        wanted = made(packed).softmax(1).detach().numpy()
        assert np.stack(net.predict_proba(sequences)) == pytest.approx(wanted, abs=1e-6)
        stream = net.stream()
        steps = [stream.step(row).probabilities for row in sequences[1]]
        assert steps[-1] == pytest.approx(wanted[1], abs=1e-6)


@given(sentences=SENTENCES)
@settings(max_examples=5)
def test_a_sentence_has_the_same_tags_alone_and_among_others(sentences):
    net = tagger()
    assert answering.is_batched(net) == KERNEL
    together = net.predict_proba(sentences)
    assert same(together, [net.predict_proba([one])[0] for one in sentences])
    assert [len(tags) for tags in net.predict(sentences)] == list(map(len, sentences))


@pytest.mark.skipif(not KERNEL, reason="without the kernel nothing is batched")
def test_batches_are_equal_because_of_the_kernel_not_because_nothing_is_batched(monkeypatch):
    """A layer whose sums depend on the batch would show."""
    net, sequences = classifier(), series([3, 9, 9, 5])
    head = net.net.head
    monkeypatch.setattr(head, "forward", lambda rows: torch.nn.functional.linear(rows, head.weight) + len(rows) * 1e-3)
    assert not same(net.predict_proba(sequences), [net.predict_proba([one])[0] for one in sequences])


def test_probabilities_are_the_softmax_of_the_scores_of_standardised_steps():
    net, (one,) = classifier(), series([8])
    steps = torch.tensor((one - np.array(SCALED["means"])) / np.array(SCALED["deviations"]), dtype=torch.float32)
    twin = torch.nn.GRU(3, 7, bidirectional=True)
    twin.load_state_dict(net.net.encoder.state_dict())
    h_n = twin(steps.unsqueeze(1))[1]
    scores = torch.nn.functional.linear(torch.cat([h_n[0], h_n[1]], 1), net.net.head.weight, net.net.head.bias)
    assert net.predict_proba([one])[0] == pytest.approx(scores.softmax(1)[0].detach().numpy(), abs=1e-6)


def test_members_answer_by_the_mean_of_their_probabilities():
    three, sequences = classifier(members=3), series([5, 2])
    alone = [classifier(seed=seed).predict_proba(sequences) for seed in range(3)]
    assert np.array(three.predict_proba(sequences)) == pytest.approx(np.mean(alone, 0), abs=1e-12)


def test_a_single_score_is_how_likely_the_second_class_is():
    net = models.classifier(config(), 3, 1, 9, vocabulary=6)
    words = ("<pad>", "<unk>", "good", "bad", "film", "no")
    found = model(net, "words", "label", classes=("negative", "positive"), vocabulary=words)
    (shares,) = found.predict_proba(["<b>Good</b> film, no?"])
    ids = torch.nn.utils.rnn.pack_sequence([torch.tensor([2, 4, 5])])
    assert shares[1] == pytest.approx(torch.sigmoid(net.eval()(ids).double()).item(), abs=1e-9)
    assert shares.sum() == pytest.approx(1)
    assert found.predict(["Good film no"]) == [("negative", "positive")[int(shares[1] > 0.5)]]


def test_numbers_come_in_their_own_unit():
    net = models.classifier(config(), 3, 1, 9)
    scaled = model(net, "series", "number", classes=(), target_mean=10.0, target_deviation=4.0, **SCALED)
    plain = model(net, "series", "number", classes=(), **SCALED)
    (given_back,), (score,) = scaled.predict(series([6])), plain.predict(series([6]))
    assert given_back == pytest.approx(10 + 4 * score, abs=1e-9)
    with pytest.raises(UserError, match="answers with numbers, which have no probabilities"):
        plain.predict_proba(series([6]))


def test_a_language_model_says_what_comes_next():
    net = language_model()
    (shares,) = net.predict_proba(["the cat unknown"])
    scores, _ = net.net(torch.tensor([[0, 2, 3, 1]]))
    assert shares == pytest.approx(scores[0, -1].softmax(0).detach().numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        (series([3]) + [np.zeros((4, 2))], r"sequence 1 has the shape \(4, 2\): give \(steps, 3\)"),
        (series([3, 2]) + [np.zeros((0, 3))], r"sequence 2 has the shape \(0, 3\)"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(sequences, said):
    with pytest.raises(UserError, match=said):
        classifier().predict(sequences)


def test_a_symbol_without_a_number_is_named():
    net = models.language_model(config(bidirectional=False), 2, 6, 9)
    found = model(net, "characters", "next", classes=("a", "b"), vocabulary=("a", "b"))
    assert found.predict(["abab"])[0] in "ab"
    with pytest.raises(UserError, match="sequence 1: the net has never read 'é'"):
        found.predict(["ab", "aé"])


@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        ("a text", "give a list of sequences: of a single text, a list with it alone"),
        ([3.0, 4.0], "sequence 0 is 3.0, not a sequence: give a list of sequences"),
        ([[["a", "b", "c"]]], "sequence 0 holds something that is not a number"),
        ([[[1, 2, 3], [4, 5]]], "sequence 0 holds something that is not a number, or steps of unlike sizes"),
        ([[[1, 2, 3]], [[1, 2, float("inf")]]], "sequence 1 holds a value that is infinite"),
        ([[[1, 2, 1e39]]], "sequence 0 holds a value that is infinite, or too large"),
        ([[[3e38, 3e38, 3e38]]], "sequence 0 holds a value that is too large beside those of training"),
    ],
)
def test_what_is_no_sequence_is_said(sequences, said):
    with pytest.raises(UserError, match=said):
        classifier(cell="rnn", bidirectional=False).predict(sequences)


def test_scores_that_are_no_numbers_are_no_answer():
    net = classifier()
    net.net.head.bias.data[2] = np.nan
    with pytest.raises(UserError, match="sequence 0: the net's scores are not finite numbers"):
        net.predict(series([3]))


@pytest.mark.parametrize("flushes", [False, True])
def test_numbers_too_small_for_full_precision_are_0_as_in_training(flushes):
    made = models.classifier(config(), 3, 1, 9)
    with torch.no_grad():
        made.head.weight.zero_()
        made.head.bias.fill_(1e-39)
    net = model(made, "series", "number", classes=(), target_deviation=1e39, **SCALED)
    torch.set_flush_denormal(flushes)
    try:
        assert net.predict(series([5, 3])) == [0.0, 0.0]
        kept = (torch.tensor(2e-38) / 4).item()
        assert (kept == 0.0) == flushes  # as the process had it
    finally:
        torch.set_flush_denormal(False)


def test_a_missing_value_is_read_as_the_one_before():
    net = classifier()
    (one,) = series([6])
    filled = one.copy()
    one[2, 1], filled[2, 1] = np.nan, filled[1, 1]
    assert same(net.predict_proba([one]), net.predict_proba([filled]))


def test_nothing_gets_no_answer():
    assert classifier().predict([]) == []
