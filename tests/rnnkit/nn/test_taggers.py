"""Words with their letters read, taggers and language models with dropout around them, against loops."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from experiments.tagging import Config
from rnnkit.core.errors import UserError
from rnnkit.diagnostics import monitor, probe
from rnnkit.diagnostics.norms import parameter_groups
from rnnkit.nn import initialisation, models
from rnnkit.sequences import Examples, collate
from tests.rnnkit.nn.pairs import parameter_count


SPELLINGS = [
    torch.tensor(letters) for letters in ([1, 2, 3], [4], [3, 3, 2, 1, 5, 6, 2], [6, 1], list(range(1, 7)) * 3)
]
SENTENCES = [[(2, 0), (3, 1), (2, 0)], [(4, 4)], [(1, 2), (2, 0), (5, 3), (1, 4)]]  # (word, spelling)


def sentences():
    return [torch.tensor(sentence) for sentence in SENTENCES]


def tagger(**settings):
    options = {"outer_dropout": settings.pop("outer_dropout", 0.0)}
    config = Config(hidden_size=5, **settings)
    letters = models.Letters(7, 3, 4, SPELLINGS)
    return models.tagger(config, 2, 17, 20, vocabulary=6, letters=letters, **options).eval()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", ["rnnkit", "torch"])
def test_words_are_read_letter_by_letter_from_both_ends(cell, layers):
    model = tagger(cell=cell, layers=layers)
    spelled = model.embedding
    expected = []
    for sentence in SENTENCES:
        rows = []
        for word, spelling in sentence:
            output, _ = spelled.reader(spelled.letters(SPELLINGS[spelling]))
            read = torch.cat([output[-1, :4], output[0, 4:]])  # the last state of each direction
            rows.append(torch.cat([spelled.words.weight[word], read]))
        output, _ = model.encoder(torch.stack(rows))
        expected.append(model.head(output))
    found = unpack_sequence(model(pack_sequence(sentences(), enforce_sorted=False)))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_gradients_of_a_spelling_that_comes_twice_add_up():
    spelled = tagger().embedding
    weight = torch.randn(3, spelled.size)
    (spelled(torch.tensor([[2, 0], [3, 0], [2, 3]])) * weight).sum().backward()
    together = [p.grad.clone() for p in spelled.parameters()]
    spelled.zero_grad()
    for row, of_row in zip([[2, 0], [3, 0], [2, 3]], weight, strict=True):
        (spelled(torch.tensor([row])) * of_row).sum().backward()
    for p, grad in zip(spelled.parameters(), together, strict=True):
        torch.testing.assert_close(p.grad, grad, rtol=1e-4, atol=1e-6)


def test_padding_of_letters_and_words_is_never_read():
    model = tagger()
    batch = collate(Examples(sentences(), [torch.zeros(len(s), dtype=torch.long) for s in SENTENCES]))
    before = model(batch.inputs).data
    with torch.no_grad():
        model.embedding.letters.weight[0] = math.nan
        model.embedding.words.weight[0] = math.nan
    assert torch.equal(model(batch.inputs).data, before)
    loss = nn.functional.cross_entropy(model(batch.inputs).data, batch.targets)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_a_sentence_is_tagged_alone_as_in_a_batch():
    model = tagger(depth=2)
    together = unpack_sequence(model(pack_sequence(sentences(), enforce_sorted=False)))
    for sentence, scores in zip(sentences(), together, strict=True):
        torch.testing.assert_close(model(pack_sequence([sentence])).data, scores, rtol=1e-4, atol=1e-6)


def test_spellings_are_no_weights_and_can_be_others_afterwards():
    model = tagger()
    assert not any("spelling" in name for name in model.state_dict())
    before = model.embedding(torch.tensor([[1, 2]]))
    model.embedding.spellings = [SPELLINGS[2]]
    assert torch.equal(model.embedding(torch.tensor([[1, 0]])), before)


def test_an_id_that_is_not_known_is_an_error():
    spelled = tagger().embedding
    with pytest.raises(UserError, match=r"row \(1,\): id 6 is outside the vocabulary 0\.\.5"):
        models.embedded(spelled, torch.tensor([[2, 0], [6, 0]]))
    with pytest.raises(IndexError):
        models.embedded(spelled, torch.tensor([[2, 99]]))
    spelled.spellings = [torch.tensor([1, 7])]
    with pytest.raises(UserError, match=r"id 7 is outside the vocabulary 0\.\.6"):
        models.embedded(spelled, torch.tensor([[2, 0]]))


def test_a_tagger_is_looked_into_like_other_models():
    groups = parameter_groups(tagger())
    assert {"embedding", "embedding.reader.l0.f/hh", "embedding.reader.l0.b/ih", "encoder.l0.b/hh", "head"} <= set(
        groups
    )
    model = tagger()
    inputs = pack_sequence(sentences(), enforce_sorted=False)
    found = monitor.look(model, probe.ProbeBatch(lambda: model(inputs), None, 3)).numbers
    assert {"hidden/embedding.reader.l0.b/rms", "hidden/encoder.l0.f/rms"} <= set(found)


def test_without_spellings_a_tagger_reads_ids_alone():
    model = models.tagger(Config(hidden_size=5, bidirectional=False), 2, 4, 20, vocabulary=6)
    assert parameter_count(model) == 6 * 2 + 4 * 5 * (2 + 5 + 2) + 4 * 5 + 4
    assert model(pack_sequence([torch.tensor([1, 5])])).data.shape == (2, 4)


def dropped_around(model, run):
    """What comes into the encoder and into the head while `run()` runs the model."""
    seen = {}
    for name in ("encoder", "head"):
        module = getattr(model, name)
        module.register_forward_pre_hook(lambda m, args, name=name: seen.update({name: args[0]}))
    run()
    rows = [x.data if isinstance(x, PackedSequence) else x for x in (seen["encoder"], seen["head"])]
    return [(row == 0).float().mean().item() for row in rows]


@pytest.mark.parametrize("kind", ["tagger", "language model"])
def test_outer_dropout_acts_before_and_after_the_layers_in_training_alone(kind):
    if kind == "tagger":
        model = models.tagger(Config(hidden_size=60), 50, 4, 20, vocabulary=6, outer_dropout=0.4)
        inputs = pack_sequence([torch.randint(1, 6, (40,))])
    else:
        config = Config(hidden_size=60, bidirectional=False)
        model = models.language_model(config, 6, 50, 20, outer_dropout=0.4)
        inputs = torch.randint(1, 6, (1, 40))
    for share in dropped_around(model.train(), lambda: model(inputs)):
        assert abs(share - 0.4) < 0.06
    assert dropped_around(model.eval(), lambda: model(inputs)) == [0, 0]


def test_a_limit_holds_for_all_weights_but_those_that_the_initialisation_sets():
    config = Config(hidden_size=20, depth=2, bidirectional=False, init="forget-bias")
    model = models.language_model(config, 50, 20, 20, limit=0.04)
    for name, p in model.named_parameters():
        forget = p.detach()[20:40] if "bias" in name and "encoder" in name else None
        if forget is not None:
            assert set(forget.tolist()) == {1.0 if "bias_ih" in name else 0.0}
            p = torch.cat([p.detach()[:20], p.detach()[40:]])
        assert 0.03 < p.abs().max() <= 0.04
        assert abs(p.std() - 0.04 / 3**0.5) < 0.006
    again = models.language_model(config, 50, 20, 20, limit=0.04)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))


def test_tied_weights_are_still_one_with_a_limit():
    model = models.language_model(Config(hidden_size=6, bidirectional=False), 9, 6, 9, tied=True, limit=0.1)
    assert model.head.weight is model.embedding.weight


def test_uniform_reaches_every_parameter():
    module = nn.LSTM(3, 4)
    with torch.no_grad():
        for p in module.parameters():
            p.fill_(7.0)
    initialisation.uniform_(module, 0.5)
    assert all(p.abs().max() <= 0.5 for p in module.parameters())
