"""The parts that experiments share: what a task on examples and one on a text are made of, and what is measured."""

import pytest
import torch

from experiments import char_lm, tagging
from rnnkit.datasets import Parts
from rnnkit.nn import models
from rnnkit.sequences import Examples, vocabulary
from rnnkit.training import Objective, tasks


OBJECTIVE = Objective("metric/accuracy/valid")


def words(count, length=5):
    """Sequences of known words, with a tag for each."""
    generator = torch.Generator().manual_seed(0)
    return Examples(
        list(torch.randint(2, 9, (count, length), generator=generator)),
        list(torch.randint(3, (count, length), generator=generator)),
    )


@pytest.mark.parametrize(("dropout", "low", "high"), [(0.0, 0, 0), (0.5, 30, 70)])
def test_words_are_read_as_unknown_in_batches_and_stay_in_the_data(dropout, low, high):
    data = Parts(words(20), words(9), words(9), "a checksum")
    config = tagging.Config(hidden_size=3, batch_size=8)
    model = models.tagger(config, 4, 3, 5, vocabulary=9)
    measure = lambda model, examples, split: ({split: len(examples)}, None)
    task = tasks.on_examples(config, OBJECTIVE, model, data, "made", measure, word_dropout=dropout)
    read = torch.cat([batch.inputs.data for batch in task.batches(0)])
    assert low <= (read == vocabulary.UNKNOWN).sum() <= high
    assert not any((sequence == vocabulary.UNKNOWN).any() for sequence in data.train.inputs)
    assert (task.steps_per_epoch, task.evaluate(), task.checksums) == (3, {"valid": 9}, {"made": "a checksum"})


@pytest.mark.parametrize("round", [0, 6])
def test_the_state_is_carried_through_a_text_and_not_into_chunks_from_anywhere(round):
    data = Parts(torch.arange(203) % 7, torch.arange(50) % 7, torch.arange(50) % 7, "a checksum")
    config = char_lm.Config(hidden_size=4, embedding_size=3, batch_size=2)
    model = models.language_model(config, 7, 3, 10)
    measure = lambda model, ids, split: {split: len(ids)}
    task = tasks.on_text(config, OBJECTIVE, model, data, "made", 10, measure, round)
    batches = list(task.batches(0))
    assert len(batches) == task.steps_per_epoch == (round or 11)
    fresh, after = task.loss(model, batches[0], None)
    assert torch.equal(task.loss(model, batches[0], after)[0], fresh) == bool(round)
    assert task.evaluate() == {"valid": 50}


def test_right_answers_stand_in_the_order_of_the_examples_whatever_the_batches():
    examples = Examples([torch.full((n, 1), float(n)) for n in (3, 1, 4, 2)], torch.tensor([1, 1, 0, 0]))
    model = models.classifier(tagging.Config(hidden_size=3), 1, 2, 4)
    order = torch.tensor([1, 3, 0, 2]).split(2)
    metrics, right = tasks.classified(
        model, examples, "test", decide=lambda scores: torch.ones(len(scores)), order=order
    )
    assert right.tolist() == [True, True, False, False]
    assert metrics["metric/accuracy/test"] == 0.5
    assert metrics["loss/test"] == pytest.approx(tasks.classified(model, examples, "test")[0]["loss/test"], rel=1e-5)
