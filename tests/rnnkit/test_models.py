import pytest
import torch

from experiments.digits import Config
from rnnkit import models
from rnnkit.sequences import Examples, collate


CELLS = ["rnn", "gru", "lstm"]


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
    assert models.parameter_count(model) == first + 2 * deeper + 10 * 12 + 10


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
