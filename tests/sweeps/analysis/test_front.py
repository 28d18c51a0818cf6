"""The front of score against size, by its definition; and the points of a grid."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from experiments import digits, memory
from rnnkit.training import Space
from sweeps.analysis import front, grid
from sweeps.study.limits import Limits


def folder_of(module, most, points=()):
    space = Space.of_points(points) if points else module.SPACE
    return SimpleNamespace(objective=module.OBJECTIVE, limits=most, space=space)


def trial(number, value, parameters, **params):
    result = {"parameters": parameters, "milliseconds": parameters / 1000, "test": {"metric/accuracy/test": value / 2}}
    return SimpleNamespace(number=number, values=[value], params=params, user_attrs={"result": result})


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=20), st.booleans())
def test_no_trial_beats_one_on_the_front_and_one_on_it_beats_each_other(pairs, lower):
    module = memory if lower else digits
    assert module.OBJECTIVE.lower_is_better == lower
    trials = [trial(number, value / 10, size) for number, (value, size) in enumerate(pairs)]
    found = front.front(folder_of(module, Limits(parameters=100)), trials)
    score = module.OBJECTIVE.score
    shown = {one.trial for one in found}
    for one in found:
        better = [t for t in trials if score(t.values[0]) > score(one.value)]
        assert all(t.user_attrs["result"]["parameters"] > one.parameters for t in better)
    for t in trials:
        size = t.user_attrs["result"]["parameters"]
        assert t.number in shown or any(
            score(one.value) >= score(t.values[0]) and one.parameters <= size for one in found
        )
    assert [one.parameters for one in found] == sorted({one.parameters for one in found})
    assert front.front(folder_of(module, Limits()), trials) == []


def test_the_front_is_of_time_where_time_is_limited():
    trials = [trial(0, 0.9, 4_000, depth=1), trial(1, 0.8, 2_000, depth=2)]
    found = front.front(folder_of(digits, Limits(milliseconds=9.0)), trials)
    assert front.table(found, "metric/accuracy/valid") == [
        ["trial", "validation accuracy", "parameters", "ms a prediction", "settings"],
        ["1", "0.8000", "2,000", "2", "depth 2"],
        ["0", "0.9000", "4,000", "4", "depth 1"],
    ]
    assert "against time a prediction" in front.heading(found, "metric/accuracy/valid")


def test_points_of_a_grid_are_means_over_seeds():
    points = [{"cell": cell, "hidden_size": size} for cell in ("lstm", "gru") for size in (8, 16)]
    folder = folder_of(digits, Limits(), points)
    trials = [trial(n, 0.5 + n / 100, 1_000, **points[n % 4]) for n in range(8) if n != 7]
    found = grid.grid_points(folder, trials)
    assert [one.name for one in found][0] == "cell lstm, hidden size 8"
    assert [one.trials for one in found] == [[0, 4], [1, 5], [2, 6], [3]]
    assert abs(found[0].value - 0.52) < 1e-12
    assert found[3].spread is None
    rows = grid.table(found, "metric/accuracy/valid")
    assert rows[0][:5] == ["cell", "hidden size", "seeds", "validation accuracy", "sd"]
    assert rows[0][-1] == "parameters"
    assert rows[1][:5] == ["lstm", "8", "2", "0.5200", "0.0283"]
    assert rows[4][:5] == ["gru", "16", "1", "0.5300", "-"]
    assert grid.plane_points(folder) == []
    plane = folder_of(digits, Limits(), [{"hidden_size": 8, "depth": 1}])
    assert grid.grid_points(plane, trials) == []
    assert len(grid.plane_points(folder_of(digits, Limits()))) == 12
