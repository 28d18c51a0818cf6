import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from experiments import char_lm
from experiments.digits import Config
from rnnkit.core.errors import UserError
from rnnkit.nn import Members, heads, layers, models, registry
from rnnkit.sequences import Examples, collate
from tests.rnnkit.nn.pairs import parameter_count


CELLS = ["rnn", "gru", "lstm", "lnlstm", "mingru"]


def examples_of(lengths):
    torch.manual_seed(0)
    return Examples([torch.randn(length, 3) for length in lengths], torch.zeros(len(lengths), dtype=torch.long))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_sequence_scores_alone_as_it_does_in_a_batch(cell, bidirectional, depth):
    config = Config(cell=cell, bidirectional=bidirectional, depth=depth, hidden_size=5)
    model = models.classifier(config, 3, 4, longest=9)
    examples = examples_of([3, 7, 1, 5])
    together = model(collate(examples).inputs)
    alone = torch.cat([model(collate(examples.subset([i])).inputs) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_the_head_reads_the_last_valid_state_of_both_directions(cell):
    model = models.classifier(Config(cell=cell, hidden_size=5, depth=2), 3, 4, longest=9)
    sequence = torch.randn(6, 3)
    output, _ = model.encoder(sequence)
    expected = model.head(torch.cat([output[-1, :5], output[0, 5:]]))
    scores = model(collate(Examples([torch.randn(9, 3), sequence], torch.zeros(2))).inputs)
    torch.testing.assert_close(scores[1], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_the_model_is_what_the_configuration_says(cell, gates):
    config = Config(cell=cell, hidden_size=6, depth=3, bidirectional=True, dropout=0.25)
    model = models.classifier(config, 3, 10, longest=9)
    encoder = model.encoder
    assert (encoder.hidden_size, encoder.num_layers, encoder.dropout) == (6, 3, 0.25)
    first = 2 * (gates * 6 * (3 + 6) + 2 * gates * 6)
    deeper = 2 * (gates * 6 * (12 + 6) + 2 * gates * 6)
    assert parameter_count(model) == first + 2 * deeper + 10 * 12 + 10


def test_initial_weights_come_from_the_seed_and_leave_the_global_state():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = models.classifier(Config(seed=1), 3, 4, longest=9)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    again, other = (
        models.classifier(Config(seed=1), 3, 4, longest=9),
        models.classifier(Config(seed=2), 3, 4, longest=9),
    )
    assert torch.equal(one.head.weight, again.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


@pytest.mark.parametrize("bad", [6, -1])
def test_an_id_that_the_vocabulary_lacks_is_named(bad):
    model = models.SequenceClassifier(
        layers.GRU(4, 3), heads.LastState(bidirectional=False), nn.Linear(3, 2), embedding=nn.Embedding(6, 4)
    )
    ids = [torch.tensor([1, 2, 3]), torch.tensor([4, bad])]
    with pytest.raises(UserError, match=rf"id {bad} is outside the vocabulary 0\.\.5"):
        model(pack_sequence(ids, enforce_sorted=False))


@pytest.mark.parametrize("kind", [torch.float32, torch.bool])
def test_ids_are_whole_numbers(kind):
    with pytest.raises(UserError, match=f"^ids must be whole numbers, of torch.long, and these are of {kind}$"):
        models.embedded(nn.Embedding(6, 4), torch.ones(2, 3, dtype=kind))


def test_ids_of_words_and_spellings_are_whole_numbers():
    spelled = models.Spelled(nn.Embedding(6, 4), nn.Embedding(5, 3), layers.GRU(3, 2), [torch.tensor([1, 2])])
    assert models.embedded(spelled, torch.tensor([[1, 0]])).shape == (1, 6)
    with pytest.raises(UserError, match="ids must be whole numbers"):
        models.embedded(spelled, torch.tensor([[1.0, 0.0]]))


def test_an_id_of_fewer_bits_that_the_vocabulary_lacks_is_named_too():
    with pytest.raises(UserError, match="id 6 is outside the vocabulary"):
        models.embedded(nn.Embedding(6, 4), torch.tensor([6], dtype=torch.int32))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: models.language_model(char_lm.Config(), 0, 4, 9), "vocabulary"),
        (lambda: models.language_model(char_lm.Config(), 5, 0, 9), "embedding_size"),
        (lambda: models.classifier(Config(), 3, 2, 9, vocabulary=0), "vocabulary"),
        (lambda: models.classifier(Config(), 3, 0, 9), "classes"),
        (lambda: models.tagger(Config(), 3, 2, 9, vocabulary=0), "vocabulary"),
        (lambda: models.tagger(Config(), 0, 2, 9), "input_size"),
        (lambda: models.tagger(Config(), 3, 0, 9), "tags"),
    ],
)
def test_a_model_of_nothing_is_refused(make, what):
    with pytest.raises(UserError, match=f"^{what} must be at least 1, not 0$"):
        make()


def test_a_classifier_with_a_vocabulary_reads_ids_and_leaves_padding_out():
    config = Config(cell="lstm", hidden_size=5, depth=1)
    model = models.classifier(config, 4, 2, longest=9, vocabulary=7, pool="joined", head_size=3, head_dropout=0.5)
    batch = collate(Examples([torch.tensor([1, 6]), torch.tensor([2, 3, 4])], torch.tensor([0, 1])))
    assert model(batch.inputs).shape == (2, 2)
    assert model.embedding.weight[0].abs().max() == 0
    again = models.classifier(config, 4, 2, longest=9, vocabulary=7, pool="joined", head_size=3, head_dropout=0.5)
    assert torch.equal(model.embedding.weight, again.embedding.weight)


def test_the_books_models_have_the_books_number_of_parameters():
    from experiments.sentiment import Config as Sentiment

    counts = []
    for bidirectional in (False, True):
        config = Sentiment(bidirectional=bidirectional)
        model = models.classifier(config, 20, 1, 99, vocabulary=69_025, head_size=64)
        counts.append(parameter_count(model))
    assert counts == [1_406_741, 1_432_853]
    language = models.language_model(char_lm.Config(), 80, 256, 40)
    assert parameter_count(language) == 1_638_480


@pytest.mark.parametrize("cell", CELLS)
def test_a_tagger_scores_each_step_of_a_sequence_as_if_it_were_alone(cell):
    encoder = registry.made(Config(cell=cell), 4, 3, bidirectional=True)
    tagger = models.Tagger(encoder, nn.Linear(6, 5), embedding=nn.Embedding(9, 4))
    sequences = [torch.tensor([1, 2]), torch.tensor([3, 4, 5, 6]), torch.tensor([7])]
    scores = unpack_sequence(tagger(pack_sequence(sequences, enforce_sorted=False)))
    for sequence, found in zip(sequences, scores, strict=True):
        expected = tagger.head(encoder(tagger.embedding(sequence))[0])
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_language_model_step_by_step_says_what_it_says_of_the_whole(cell):
    model = models.language_model(char_lm.Config(cell=cell, hidden_size=6, depth=2), 9, 4, longest=12)
    ids = torch.randint(9, (2, 13))
    whole, end = model(ids)
    state, scores = None, []
    for step in ids.unbind(1):
        one, state = model.step(step, state)
        scores.append(one)
    torch.testing.assert_close(torch.stack(scores, dim=1), whole, rtol=1e-5, atol=1e-6)
    first, middle = model(ids[:, :5])
    second, after = model(ids[:, 5:], middle)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-5, atol=1e-6)
    for one, other in zip(*((s if isinstance(s, tuple) else (s,)) for s in (after, end)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_tied_embeddings_are_one_weight_that_is_counted_once():
    config = char_lm.Config(hidden_size=6, embedding_size=6, tied=True)
    tied = models.language_model(config, 9, 6, longest=9, tied=True)
    free = models.language_model(config, 9, 6, longest=9)
    assert tied.head.weight is tied.embedding.weight
    assert parameter_count(free) - parameter_count(tied) == 9 * 6
    with pytest.raises(UserError, match="tied embeddings need --embedding-size"):
        models.language_model(config, 9, 5, longest=9, tied=True)


def test_a_language_model_reads_in_one_direction():
    with pytest.raises(UserError, match="one direction"):
        models.LanguageModel(nn.Embedding(9, 4), layers.GRU(4, 3, bidirectional=True), nn.Linear(6, 9))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("depth", [1, 2])
def test_with_its_recurrence_cut_every_step_is_read_as_if_it_were_the_only_one(cell, depth):
    config = Config(cell=cell, hidden_size=5, depth=depth, bidirectional=False)
    encoder = models.classifier(config, 3, 4, longest=9).encoder
    inputs = [torch.randn(n, 3, requires_grad=True) for n in (4, 15, 1, 13)]
    output, state = models.CutRecurrence(encoder)(pack_sequence(inputs, enforce_sorted=False))
    found = unpack_sequence(output)
    for i, sequence in enumerate(inputs):
        alone = [encoder(step.view(1, 1, 3)) for step in sequence]
        expected = torch.cat([rows.view(1, 5) for rows, _ in alone])
        torch.testing.assert_close(found[i], expected, rtol=1e-6, atol=1e-7)
        for part, last in zip(*((s if isinstance(s, tuple) else (s,)) for s in (state, alone[-1][1])), strict=True):
            torch.testing.assert_close(part[:, i], last.squeeze(1), rtol=1e-6, atol=1e-7)
    (state[0] if isinstance(state, tuple) else state)[-1, 1].sum().backward()
    assert inputs[1].grad[-1].abs().min() > 0
    assert inputs[1].grad[:-1].abs().max() == 0


def test_a_recurrence_of_two_directions_is_not_cut():
    with pytest.raises(ValueError, match="one direction"):
        models.CutRecurrence(nn.GRU(3, 4, bidirectional=True))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_tagger_scores_each_step_of_its_own_sequence(bidirectional):
    config = Config(cell="gru", hidden_size=5, depth=2, bidirectional=bidirectional)
    model = models.tagger(config, 3, 4, longest=20, head_dropout=0.5).eval()
    examples = examples_of([3, 14, 1, 20])
    found = unpack_sequence(model(collate(examples).inputs))
    for sequence, rows in zip(examples.inputs, found, strict=True):
        torch.testing.assert_close(rows, model.head(model.encoder(sequence)[0]), rtol=1e-5, atol=1e-6)


def alike(make, count=3):
    return [make(Config(seed=seed, hidden_size=4, depth=1), 2, 5, 9) for seed in range(count)]


def of_three():
    return collate(Examples([torch.randn(n, 2) for n in (4, 9, 1)], torch.arange(3))).inputs


def test_members_scores_stand_side_by_side():
    inputs, alone = of_three(), alike(models.classifier)
    together = Members(alone)(inputs)
    assert together.shape == (3, 15)
    for number, net in enumerate(alone):
        assert torch.equal(together[:, 5 * number : 5 * number + 5], net(inputs))


def test_members_tags_stand_side_by_side():
    inputs, alone = of_three(), alike(models.tagger)
    together = Members(alone)(inputs)
    assert together.data.shape == (14, 15)
    assert torch.equal(together.batch_sizes, inputs.batch_sizes)
    for number, net in enumerate(alone):
        assert torch.equal(together.data[:, 5 * number : 5 * number + 5], net(inputs).data)


def test_no_member_learns_from_what_is_asked_of_another():
    both = Members(alike(models.classifier, 2))
    both(of_three())[:, :5].sum().backward()
    first, second = (list(member.parameters()) for member in both.members)
    assert all(part.grad.abs().sum() > 0 for part in first)
    assert all(part.grad is None or not part.grad.any() for part in second)
