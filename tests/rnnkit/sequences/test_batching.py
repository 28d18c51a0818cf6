import tracemalloc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence, unpack_sequence

from rnnkit import sequences
from rnnkit.core.errors import UserError
from rnnkit.sequences import Examples, batches, collate, epoch_order, shuffled_batches


def examples_of(lengths, features=3):
    inputs = [torch.randn(length, features) for length in lengths]
    return Examples(inputs, torch.arange(len(lengths)))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=7))
def test_collate_keeps_every_step_and_the_order_of_the_examples(lengths):
    examples = examples_of(lengths)
    batch = collate(examples)
    padded, packed_lengths = pad_packed_sequence(batch.inputs, batch_first=True)
    assert packed_lengths.tolist() == batch.lengths.tolist() == lengths
    assert batch.lengths.dtype == torch.int64
    assert batch.targets.tolist() == list(range(len(lengths)))
    for sequence, row, length in zip(examples.inputs, padded, lengths, strict=True):
        assert torch.equal(row[:length], sequence)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5), st.integers(0, 5))
def test_shuffled_batches_hold_each_example_once_and_depend_on_seed_and_epoch_alone(count, size, seed, epoch):
    examples = examples_of([1] * count)
    first = [batch.targets.tolist() for batch in shuffled_batches(examples, size, seed, epoch)]
    torch.manual_seed(epoch)  # the global random state plays no part
    again = [batch.targets.tolist() for batch in shuffled_batches(examples, size, seed, epoch)]
    assert first == again
    assert sorted(sum(first, [])) == list(range(count))
    assert [len(chosen) for chosen in first[:-1]] == [size] * (len(first) - 1)


def test_order_differs_between_epochs_and_seeds():
    orders = [epoch_order(50, seed, epoch).tolist() for seed in range(3) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 9


def test_batches_keep_the_order():
    examples = examples_of([2] * 7)
    assert [batch.targets.tolist() for batch in batches(examples, 3)] == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (examples_of([]), "at least one example"),
        (Examples([torch.ones(2, 3), torch.ones(0, 3)], torch.zeros(2)), "example 1 .* empty"),
        (Examples([torch.ones(2, 3), torch.ones(2, 4)], torch.zeros(2)), "example 1 .* features"),
        (Examples([torch.ones(2, 3)], torch.zeros(2)), "1 sequence came with 2 targets"),
        (
            Examples([torch.ones(2), torch.ones(2).double()], torch.zeros(2)),
            "example 1 .* torch.float64.* torch.float32",
        ),
        (Examples([torch.ones(2).long(), torch.ones(2)], torch.zeros(2)), "example 1 .* torch.float32, .* torch.int64"),
        (Examples([torch.ones(2), torch.tensor(1.0)], torch.zeros(2)), r"example 1 .* a tensor of shape \(\) for its"),
        (
            Examples([[1.0, 2.0]], torch.zeros(1)),
            "example 0 of a batch has something of type list for its features: give a tensor",
        ),
        (Examples([torch.ones(2)], None), "targets must be .*, not None"),
        (Examples([torch.ones(2)], torch.tensor(1.0)), r"targets must be .*, not a tensor of shape \(\)"),
        (Examples([torch.ones(2)], (torch.ones(2),)), "targets must be .*, not something of type tuple"),
        (Examples([torch.ones(2)] * 2, [torch.ones(2), None]), "example 1 of a batch has None for its targets"),
        (
            Examples([torch.ones(2)], [1]),
            r"example 0 .* something of type int for its targets: .* of shape \(examples,\)",
        ),
        (Examples([torch.ones(2)], [torch.tensor(1)]), r"example 0 .* a tensor of shape \(\) for its targets"),
        (Examples([torch.ones(2)] * 2, [torch.ones(2, 3), torch.ones(2, 4)]), r"example 1 .* targets of shape \(4,\)"),
        (
            Examples([torch.ones(2)] * 2, [torch.ones(2).long(), torch.ones(2)]),
            "example 1 .* targets of type torch.float",
        ),
    ],
)
def test_collate_names_what_does_not_fit(examples, message):
    with pytest.raises(UserError, match=message) as caught:
        collate(examples)
    assert "\n" not in str(caught.value)


def test_batches_name_what_they_cannot_be_made_of():
    for targets, said in ((None, "targets"), (torch.zeros(3), "3 targets"), ([torch.zeros(2)], "came with 1 target$")):
        with pytest.raises(UserError, match=said):
            next(batches(Examples([torch.ones(2)] * 2, targets), 2))
    for make in (lambda: next(batches(examples_of([2]), 0)), lambda: shuffled_batches(examples_of([2]), 0, 0, 0)):
        with pytest.raises(UserError, match="batch_size must be at least 1, not 0"):
            make()


def test_numbers_of_words_are_packed_as_they_are():
    batch = collate(Examples([torch.tensor([3, 1]), torch.tensor([2, 5, 4])], torch.tensor([0, 1])))
    assert [s.tolist() for s in unpack_sequence(batch.inputs)] == [[3, 1], [2, 5, 4]]
    assert batch.valid_steps == 5


@given(st.lists(st.integers(1, 9), min_size=1, max_size=7))
def test_targets_of_steps_stand_beside_their_rows(lengths):
    rows = [torch.randn(length, 2) for length in lengths]
    examples = Examples(rows, [2 * row for row in rows])
    batch = collate(examples)
    assert torch.equal(batch.targets, 2 * batch.inputs.data)
    assert torch.equal(collate(examples.subset([0])).targets, 2 * rows[0])


def with_value(value):
    spoilt = torch.ones(2, 3)
    spoilt[1, 2] = value
    return Examples([torch.ones(4, 3), spoilt], torch.tensor([0, 1]))


def words(*ids, targets=(0, 1)):
    return Examples([torch.tensor([1, 2]), torch.tensor(ids)], torch.tensor(targets))


@pytest.mark.parametrize(
    ("examples", "limits", "message"),
    [
        (examples_of([]), {}, "the data needs at least one example"),
        (Examples([torch.ones(2, 3), torch.ones(0, 3)], torch.zeros(2)), {}, "example 1 of the data is an empty"),
        (Examples([torch.ones(2, 3), torch.ones(2, 4)], torch.zeros(2)), {}, "example 1 of the data has features"),
        (Examples([torch.ones(2, 3)], torch.zeros(2)), {}, "1 sequence came with 2 targets"),
        (with_value(torch.nan), {}, "example 1, step 1, feature 2 is nan, not a finite number"),
        (with_value(torch.inf), {}, "example 1, step 1, feature 2 is inf"),
        (words(4, 9, 1), {"vocabulary": 9}, r"example 1, step 1: id 9 is outside 0\.\.8"),
        (words(4, -1), {"vocabulary": 9}, r"example 1, step 1: id -1 is outside 0\.\.8"),
        (words(4, targets=(0, 2)), {"classes": 2}, r"example 1: target 2 is outside 0\.\.1"),
        (Examples([torch.ones(2, 3)], [torch.zeros(3)]), {}, "example 0 of the data has 2 steps and 3 targets"),
        (
            Examples([torch.ones(2, 3)], [torch.tensor([0, 5])]),
            {"classes": 5},
            "example 0, step 1: target 5 is outside",
        ),
        (words(4, targets=(-1, 0)), {"classes": 2}, r"example 0: target -1 is outside 0\.\.1"),
        (words(4, targets=(1.0, torch.nan)), {"classes": 2}, r"example 1: target nan is not a whole number in 0\.\.1"),
        (words(4, targets=(1.0, 0.5)), {"classes": 2}, r"example 1: target 0.5 is not a whole number"),
        (
            words(4, targets=(1.0, 0.0)),
            {"classes": 2},
            "example 0 has targets of type torch.float32: make .* torch.int64",
        ),
        (words(4, targets=(True, False)), {"classes": 2}, "example 0 has targets of type torch.bool"),
        (words(4, targets=([0, 1], [1, 1])), {"classes": 2}, r"example 0 has targets of shape \(2,\): .* each example"),
        (words(4, targets=(0, 1)), {"classes": 0}, "classes must be at least 1, not 0"),
        (words(4), {"vocabulary": 0}, "vocabulary must be at least 1, not 0"),
        (
            Examples([torch.ones(2)], [torch.tensor([0, 0.5])]),
            {"classes": 2},
            "example 0, step 1: target 0.5 is not a whole",
        ),
        (
            Examples([torch.tensor([1.0, 1.5])], torch.zeros(1)),
            {"vocabulary": 9},
            "example 0, step 1: id 1.5 is not a whole",
        ),
        (
            Examples([torch.tensor([1.0, 2.0])], torch.zeros(1)),
            {"vocabulary": 9},
            "example 0 has ids of type torch.float32",
        ),
        (Examples([torch.tensor([True])], torch.zeros(1)), {"vocabulary": 9}, "example 0 has ids of type torch.bool"),
        (
            Examples([torch.ones(2, 3).long()], torch.zeros(1)),
            {"vocabulary": 9},
            r"example 0 has ids of shape \(2, 3\): .* step",
        ),
    ],
)
def test_check_names_the_example_the_step_and_the_field(examples, limits, message):
    with pytest.raises(UserError, match=message) as caught:
        sequences.check(examples, **limits)
    assert "\n" not in str(caught.value)


def test_check_lets_good_data_pass():
    sequences.check(with_value(0.5), classes=2)
    sequences.check(words(4, 8), vocabulary=9, classes=2)
    sequences.check(Examples([torch.tensor([4, 8]).int()], [torch.tensor([1, 0])]), vocabulary=9, classes=2)
    sequences.check(Examples([torch.tensor([[4, 8], [9, 9]])], torch.tensor([0.5])))  # pairs, and a number to predict


@given(st.lists(st.integers(0, 9), min_size=1, max_size=7))
def test_mask_is_true_at_valid_steps(lengths):
    mask = sequences.mask(torch.tensor(lengths), longest=9)
    assert mask.tolist() == [[step < length for step in range(9)] for length in lengths]
    assert sequences.mask(torch.tensor(lengths)).shape == (len(lengths), max(lengths))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=7), st.booleans())
def test_packed_data_mapped_and_reversed_keep_all_four_fields(lengths, in_order):
    rows = [torch.randn(length, 2) for length in sorted(lengths, reverse=True)] if in_order else None
    rows = rows or [torch.randn(length, 2) for length in lengths]
    packed = pack_sequence(rows, enforce_sorted=in_order)
    doubled = sequences.map_packed(lambda data: 2 * data, packed)
    flipped = sequences.reverse(packed)
    for row, twice, back in zip(rows, unpack_sequence(doubled), unpack_sequence(flipped), strict=True):
        assert torch.equal(twice, 2 * row)
        assert torch.equal(back, row.flip(0))
    for found in (doubled, flipped):
        assert all(one is other for one, other in zip(found[1:], packed[1:], strict=True))
    for number, row in enumerate(rows):
        assert torch.equal(packed.data[sequences.owners(packed) == number], row)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_buckets_hold_each_example_once_and_depend_on_seed_and_epoch_alone(lengths, size, seed, epoch):
    lengths = torch.tensor(lengths)
    order = sequences.bucketed_order(lengths, size, seed, epoch, buckets=3)
    torch.manual_seed(epoch)  # the global random state plays no part
    again = sequences.bucketed_order(lengths, size, seed, epoch, buckets=3)
    assert [b.tolist() for b in order] == [b.tolist() for b in again]
    assert sorted(torch.cat(order).tolist()) == list(range(len(lengths)))
    assert len(order) == -(-len(lengths) // size)
    assert all(len(b) <= size for b in order)


def test_buckets_save_most_of_the_padding_and_differ_between_epochs():
    lengths = torch.randint(1, 500, (2_000,), generator=torch.Generator().manual_seed(0))
    plain = sequences.padding(lengths, epoch_order(2_000, 0, 0).split(32))
    orders = [sequences.bucketed_order(lengths, 32, 0, epoch) for epoch in (0, 1)]
    bucketed = sequences.padding(lengths, orders[0])
    assert plain.valid == bucketed.valid == int(lengths.sum())
    by_hand = sum(int(lengths[b].max()) * len(b) for b in orders[0])
    assert bucketed.places == by_hand
    assert bucketed.share < 0.1 < 0.4 < plain.share
    assert {frozenset(b.tolist()) for b in orders[0]}.isdisjoint({frozenset(b.tolist()) for b in orders[1]})
    sorted_throughout = [int(lengths[b].max()) for b in orders[0]]
    assert sorted_throughout != sorted(sorted_throughout)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sequences.mask(torch.tensor([])), r"a mask needs lengths of shape \(examples,\), at least one"),
        (lambda: sequences.mask(torch.tensor(3)), r"a mask needs lengths .* not of shape \(\)"),
        (lambda: sequences.bucketed_order(torch.tensor([1, 2]), 0, 0, 0), "batch_size must be at least 1, not 0"),
        (lambda: sequences.bucketed_order(torch.tensor([1, 2]), 1, 0, 0, buckets=0), "buckets must be at least 1"),
        (lambda: sequences.bucketed_order(torch.tensor([]), 2, 0, 0), "an order of batches needs lengths"),
        (lambda: sequences.padding(torch.tensor([1]), []).share, "no share of padding: give at least one"),
        (lambda: sequences.padding(torch.tensor([]), torch.arange(0).split(2)).share, "no share of padding"),
    ],
)
def test_lengths_and_counts_that_make_no_batches_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
    assert sequences.mask(torch.tensor([]), longest=3).shape == (0, 3)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda rows: rows[:-1], r"a tensor of shape \(4, 2\)"),
        (lambda rows: rows.sum(), r"a tensor of shape \(\)"),
        (lambda rows: (rows, rows), "something of type tuple"),
    ],
)
def test_a_function_of_packed_rows_gives_a_row_for_each(function, found):
    packed = pack_sequence([torch.ones(3, 2), torch.ones(2, 2)])
    with pytest.raises(UserError, match=f"gave {found} for 5 packed rows: it must give a row for each"):
        sequences.map_packed(function, packed)


def test_one_long_sequence_among_many_batches_costs_no_more_than_its_steps():
    """A table of all batches by all steps of the longest would hold 80 million numbers here."""
    lengths = [1, 2] * 200 + [200_000]
    examples = Examples([torch.full((n,), i) for i, n in enumerate(lengths)], torch.arange(len(lengths)))
    tracemalloc.start()
    seen = [(batch.valid_steps, batch.targets.item()) for batch in batches(examples, 1)]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == list(zip(lengths, range(len(lengths)), strict=True))
    assert most < 60 * 2**20


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "lengths", [[40, 1, 1, 1, 1, 1, 2], [1, 1, 1, 1, 1, 40], [3, 3, 3, 3], [1], [5, 4, 3, 2, 1, 9]]
)
def test_batches_of_any_lengths_are_what_torch_packs(lengths, size):
    inputs = [torch.randn(n, 2) for n in lengths]
    found = batches(Examples(inputs, torch.arange(len(lengths))), size)
    for start, batch in zip(range(0, len(lengths), size), found, strict=True):
        packed = pack_sequence(inputs[start : start + size], enforce_sorted=False)
        for ours, theirs in zip(batch.inputs, packed, strict=True):
            assert torch.equal(ours, theirs)
        assert batch.lengths.tolist() == lengths[start : start + size]
