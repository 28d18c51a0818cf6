"""Adding, copying and temporal order: the sequences by their definitions, the values beside them by other ways."""

import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnkit import sequences
from rnnkit.datasets.generated import memory_tasks


def made(task, count=3, seed=0):
    examples = task.make(count, torch.Generator().manual_seed(seed))
    sequences.check(examples, classes=None if examples.targets[0].is_floating_point() else task.scores)
    assert len(examples) == count
    assert {sequence.shape[1] for sequence in examples.inputs} == {task.features}
    return examples


@settings(max_examples=40)
@given(length=st.integers(4, 70), seed=st.integers(0, 2**40))
def test_adding_marks_a_number_in_each_half_and_asks_for_their_sum(length, seed):
    examples = made(memory_tasks.adding(length), seed=seed)
    for sequence, target in zip(examples.inputs, examples.targets.tolist(), strict=True):
        numbers, marks = sequence.T.tolist()
        first, second = (i for i, mark in enumerate(marks) if mark)
        assert len(numbers) == length
        assert set(marks) == {0.0, 1.0}
        assert 0 <= first < length // 2 <= second < length - 1  # the last step is never marked
        assert all(0 <= number < 1 for number in numbers)
        assert target == pytest.approx(numbers[first] + numbers[second], abs=1e-6)


def test_every_place_that_may_be_marked_is_marked_alike():
    marks = sum(sequence[:, 1] for sequence in made(memory_tasks.adding(9), 6_000).inputs).tolist()
    assert marks[8] == 0
    for places in (marks[:4], marks[4:8]):
        assert all(abs(count - 1_500) < 4 * (6_000 * 0.25 * 0.75) ** 0.5 for count in places)


def test_one_is_the_best_constant_sum_and_its_error_two_twelfths():
    targets = made(memory_tasks.adding(20), 20_000).targets.double()
    error = (targets - 1).square()
    four = 4 * error.std().item() / 20_000**0.5
    assert abs(error.mean().item() - memory_tasks.adding(20).without_memory) < four < 0.006
    assert memory_tasks.adding(20).own_input == memory_tasks.adding(20).without_memory == 1 / 6


@settings(max_examples=20)
@given(length=st.integers(1, 60), seed=st.integers(0, 2**40))
def test_copying_shows_ten_symbols_waits_and_asks_for_them(length, seed):
    examples = made(memory_tasks.copying(length), seed=seed)
    for sequence, targets in zip(examples.inputs, examples.targets, strict=True):
        assert (sequence.sum(1) == 1).all()
        shown = sequence.argmax(1).tolist()
        symbols = shown[:10]
        assert set(symbols) <= set(range(8))
        assert shown == symbols + [8] * (length - 1) + [9] + [8] * 10
        assert targets.tolist() == [8] * (length + 10) + symbols


@pytest.mark.parametrize(("length", "published"), [(500, 0.0400), (1_000, 0.0204), (2_000, 0.0103)])
def test_copying_without_memory_costs_what_is_published(length, published):
    assert memory_tasks.copying(length).without_memory == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize("length", [1, 2, 30, 100])
def test_copying_by_each_input_alone_costs_what_the_counts_of_pairs_say(length):
    """Every symbol in every place equally often: the shares of (input, target) are then exact."""
    pairs = Counter()
    for symbol in range(8):
        shown = [symbol] * 10 + [8] * (length - 1) + [9] + [8] * 10
        pairs.update(zip(shown, [8] * (length + 10) + [symbol] * 10, strict=True))
    inputs = Counter()
    for (shown, _), count in pairs.items():
        inputs[shown] += count
    expected = sum(count * math.log(inputs[shown] / count) for (shown, _), count in pairs.items()) / pairs.total()
    task = memory_tasks.copying(length)
    assert task.own_input == pytest.approx(expected)
    assert task.own_input >= task.without_memory


@settings(max_examples=40)
@given(length=st.integers(10, 120), seed=st.integers(0, 2**40))
def test_temporal_order_hides_two_symbols_that_count(length, seed):
    examples = made(memory_tasks.temporal_order(length), 8, seed)
    for sequence, target in zip(examples.inputs, examples.targets.tolist(), strict=True):
        assert (sequence.sum(1) == 1).all()
        word = "".join("EBabcdXY"[i] for i in sequence.argmax(1).tolist())
        assert length <= len(word) <= length + length // 10
        assert (word[0], word[-1], word.count("E"), word.count("B")) == ("E", "B", 1, 1)
        (first, one), (second, other) = ((i, symbol) for i, symbol in enumerate(word) if symbol in "XY")
        assert length // 10 <= first <= length // 5
        assert length // 2 <= second <= 3 * length // 5
        assert target == ["XX", "XY", "YX", "YY"].index(one + other)


def test_temporal_order_has_all_classes_lengths_and_places_alike():
    examples = made(memory_tasks.temporal_order(20), 6_000)
    places = [sequence.argmax(1).ge(6).nonzero().flatten().tolist() for sequence in examples.inputs]
    for counts in (
        Counter(examples.targets.tolist()),
        Counter(len(sequence) for sequence in examples.inputs),
        Counter(first for first, _ in places),
        Counter(second for _, second in places),
    ):
        share = 1 / len(counts)
        assert len(counts) in (3, 4)
        assert all(abs(c - 6_000 * share) < 4 * (6_000 * share * (1 - share)) ** 0.5 for c in counts.values())
    assert memory_tasks.temporal_order(20).without_memory == memory_tasks.temporal_order(20).own_input == math.log(4)


TASKS = [memory_tasks.adding, memory_tasks.copying, memory_tasks.temporal_order]


@pytest.mark.parametrize("task", TASKS)
def test_examples_follow_from_the_random_stream_and_no_other(task):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, again, other = made(task(20)), made(task(20)), made(task(20), seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.inputs, again.inputs, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.inputs, other.inputs, strict=True))
    generator = torch.Generator().manual_seed(0)  # the next batch of a stream is another one
    first, second = (task(20).make(3, generator).inputs for _ in range(2))
    assert not any(torch.equal(a, b) for a, b in itertools.product(first, second))


def test_answers_are_right_where_they_say_what_was_shown():
    copying = memory_tasks.copying(5)
    examples = made(copying, 2)
    given = [torch.nn.functional.one_hot(targets, 9).float() for targets in examples.targets]
    assert copying.right(given, examples).tolist() == [True] * 20
    given[1][-3] = given[1][-3].roll(1)
    given[0][3] = given[0][3].roll(1)  # not among the ten that count
    assert copying.right(given, examples).tolist() == [True] * 17 + [False] + [True] * 2
    order = memory_tasks.temporal_order(10)
    examples = made(order, 8)
    given = list(torch.eye(4)[examples.targets.roll(1)])
    assert order.right(given, examples).tolist() == (examples.targets == examples.targets.roll(1)).tolist()
    assert memory_tasks.adding(10).right is None
