"""Ranges, choices and grids as a command line says them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.digits import SPACE, Config
from rnnkit.core.errors import UserError
from rnnkit.training import Range
from sweeps.study import asked


BASE = Config()


def test_ranges_and_choices_have_the_types_of_their_settings():
    found = asked.ranges(["hidden-size=8..128", "cell=gru,lstm", "dropout=0..0.3", "bidirectional=false"], BASE)
    assert found == {
        "hidden_size": Range(8, 128, log=True),
        "cell": ("gru", "lstm"),
        "dropout": Range(0.0, 0.3),
        "bidirectional": (False,),
    }
    assert isinstance(found["hidden_size"].low, int)
    assert isinstance(found["dropout"].low, float)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_range_is_what_lies_between_its_ends(low, high):
    word = f"batch_size={low}..{high}"
    if low >= high:
        with pytest.raises(UserError, match="the first number must be the lower one"):
            asked.ranges([word], BASE)
        return
    found = asked.ranges([word], BASE)["batch_size"]
    assert (found.low, found.high, found.log) == (low, high, high >= 10 * low)


def test_a_space_keeps_what_was_not_asked_for_and_its_plane_lies_inside():
    found = asked.space(SPACE, asked.ranges(["hidden_size=16..128", "cell=lstm,gru", "batch_size=16..64"], BASE), BASE)
    assert found.hidden_sizes == (16, 32, 64)
    assert found.depths == SPACE.depths
    assert found.start["cell"] == "gru"
    assert found.tuned["learning_rate"] == SPACE.tuned["learning_rate"]
    assert found.tuned["batch_size"] == Range(16, 64)
    assert found.start["batch_size"] == BASE.batch_size  # which the experiment's own space has no start for
    assert found.studied["hidden_size"] == Range(16, 128, log=True, least=1)
    assert all(found.holds(point) for point in found.plane())
    far = asked.space(SPACE, asked.ranges(["hidden_size=100..200", "cell=rnn", "dropout=0.1..0.2"], BASE), BASE)
    assert far.hidden_sizes == (100, 200)
    assert far.start["cell"] == "rnn"
    assert all(far.holds(point) for point in far.plane())


def test_a_grid_is_all_points_that_can_be():
    points, left_out = asked.grid(asked.choices(["cell=rnn,gru", "init=default,chrono"], BASE), BASE)
    assert points == [
        {"cell": "rnn", "init": "default"},
        {"cell": "gru", "init": "default"},
        {"cell": "gru", "init": "chrono"},
    ]
    (line,) = left_out
    assert line.startswith("left out of the grid: 1 point (--init chrono sets the bias of a gate: it needs")


def test_hidden_sizes_of_one_number_of_parameters():
    """Judged by every other size: none comes nearer. Each count makes a net, so there are few."""
    counted = []
    count = lambda config: (
        counted.append(config) or 3 * config.hidden_size * (config.hidden_size + 5) * config.depth + 7
    )
    points = [{"depth": depth, "cell": cell} for depth in (1, 2, 3) for cell in ("gru", "lstm")]
    for size in (60, 1_000, 54_321):
        counted.clear()
        found = asked.of_size(points, size, BASE, count)
        assert len(counted) <= 6 * len(points)
        for point in found:
            best = min(
                range(1, 200), key=lambda hidden: abs(count(BASE.changed(**{**point, "hidden_size": hidden})) - size)
            )
            assert point["hidden_size"] == best
    steps = asked.of_size(points[:1], 5_000, BASE, lambda config: 40 * (config.hidden_size // 8 + 1))  # no square
    assert steps == [points[0] | {"hidden_size": 992}]
    with pytest.raises(UserError, match=r"--parameters 10 is too few for depth 1, cell gru: one unit has 25"):
        asked.of_size(points[:1], 10, BASE, count)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("hidden_sise=1..3", "digits has no setting 'hidden_sise' to vary: did you mean hidden_size"),
        ("threads=1..3", "digits has no setting 'threads' to vary"),
        ("seed=1..3", "cannot vary the seed"),
        ("cell=foo", "there is no cell 'foo'"),
        ("init=foo", "choose among default, orthogonal"),
        ("cell=gru..lstm", "cell has choices, not a range"),
        ("cell=gru,gru", "names a value twice"),
        ("cell", "takes words such as hidden_size=8..128"),
        ("hidden_size=a..b", "it takes whole numbers"),
        ("learning_rate=0.1,inf", "it takes finite numbers"),
        ("bidirectional=perhaps", "say true or false"),
        ("hidden_size=0..8", "--hidden-size must be at least 1"),
    ],
)
def test_what_is_no_range_is_refused_in_one_line(word, message):
    with pytest.raises(UserError, match=message) as caught:
        asked.space(SPACE, asked.ranges([word], BASE), BASE)
    assert "\n" not in str(caught.value)


def test_a_grid_needs_values_and_a_point_that_can_be():
    with pytest.raises(UserError, match="a grid needs each value, as in hidden_size=16,32,64"):
        asked.choices(["hidden_size=16..64"], BASE)
    with pytest.raises(UserError, match="--grid has no valid point: --init chrono"):
        asked.grid(asked.choices(["cell=rnn", "init=chrono"], BASE), BASE)
