"""The search space of an experiment."""

import optuna

from rnnkit.core import BaseConfig
from rnnkit.training import Range, Space
from rnnkit.training.space import studied, tuned


def test_what_has_no_start_begins_as_the_settings_are_and_every_point_of_the_plane_can_be_planned():
    base = BaseConfig(clip=9.0)
    space = Space((8, 16), (1, 2), studied((8, 32), 2), tuned((1e-3, 3e-2)), {"cell": "lstm"})
    complete = space.completed(base)
    assert complete.start["cell"] == "lstm"
    assert complete.start["learning_rate"] == base.learning_rate
    assert complete.start["clip"] == space.tuned["clip"].high  # the nearest
    for point in complete.plane():
        assert complete.suggest(optuna.trial.FixedTrial(point)) == point
    assert complete.completed(base) is complete
    grid = Space.of_points([{"hidden_size": 4, "clip": 1.0}])
    assert grid.completed(base) is grid


def test_a_setting_that_is_none_starts_at_its_lowest():
    space = Space((8,), (1,), {"hidden_size": Range(8, 9)}, {"data_dir": ("here", "there")})
    assert space.completed(BaseConfig()).start == {"data_dir": "here"}
