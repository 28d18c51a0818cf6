import pytest

import experiments
from rnnkit.training import Direction, Objective


@pytest.mark.parametrize(
    ("objective", "higher"),
    [
        (Objective("metric/accuracy/valid"), True),
        (Objective("metric/macro_f1/valid"), True),
        (Objective("metric/perplexity/valid"), False),
        (Objective("loss/valid"), False),
        (Objective("metric/bleu/valid", Direction.MAXIMIZE), True),
        (Objective("metric/accuracy/valid", Direction.MINIMIZE), False),
    ],
)
def test_which_values_are_better_is_said_once(objective, higher):
    assert objective.better(2.0, than=1.0) == higher
    assert objective.better(1.0, than=2.0) != higher
    assert not objective.better(1.0, than=1.0)
    assert objective.score(1.0) == (1.0 if higher else -1.0)


def test_a_metric_of_ones_own_must_say_its_direction():
    with pytest.raises(ValueError, match=r"metric/bleu/valid are better\? Say direction="):
        Objective("metric/bleu/valid")


def test_experiments_are_judged_on_the_validation_part():
    configs = [experiments.load(name).Config() for name in experiments.names()]
    assert all(experiments.objective_of(config).metric.endswith("/valid") for config in configs)
