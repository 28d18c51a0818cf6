"""Cures: what each changes, that flossing does what it is for, and what is counted of them."""

import dataclasses
import math
import sys

import pytest
import torch

from experiments import memory
from rnnkit.core import UserError
from rnnkit.diagnostics import dynamics
from rnnkit.nn import Place, cell_of
from sweeps.flag_study import curing, drawn, entries, flossing, watched
from sweeps.flag_study.entries import Entry


@pytest.mark.parametrize("cell", ["lstm", "minlstm"])
def test_exponents_that_are_flossed_are_those_that_are_measured(cell):
    task = memory.run.prepared(memory.Config(cell=cell, hidden_size=5, depth=1, length=30))
    module, x = task.model.encoder, torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    weights = {name: w.detach().double() for name, w in dynamics.weights_of(module, Place(0, False)).items()}
    found = flossing.exponents(cell_of(module), weights, x.double(), 5, 3)
    expected = dynamics.lyapunov_exponents(module, x, 3, warm_up=flossing.WARM_UP)
    torch.testing.assert_close(found.sort(descending=True).values, expected)


def test_flossing_brings_exponents_near_0_and_leaves_the_head():
    task = memory.run.prepared(memory.Config(cell="gru", hidden_size=8, depth=2, length=20))
    head = [p.detach().clone() for p in task.model.head.parameters()]

    def squares():
        module = task.model.encoder
        x = torch.randn(20, 2, generator=torch.Generator().manual_seed(1))
        return dynamics.lyapunov_exponents(module, x, 2, warm_up=5).square().sum().item()

    before = squares()
    flossing.floss(task.model, task.probe.run, steps=25)
    assert squares() < before / 4
    assert all(torch.equal(now, then) for now, then in zip(task.model.head.parameters(), head, strict=True))


def entry(number, loss, **settings):
    point = drawn.TASKS[number % len(drawn.TASKS)]
    given = {"cell": "rnn"} | settings
    return Entry(number, point.name, point.family, given, "finished", loss, (1.0, 0.0), [], [], (1.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def points():
    return drawn.points()


def test_a_cure_changes_what_it_says_and_none_is_tried_that_changes_nothing(points):
    failed = [entry(number, 1.0) for number in range(100)]
    planned = curing.planned(points, failed)
    assert {cure for cure, _ in planned} == set(curing.CURES)
    assert {cure for cure, _ in curing.planned(points, [entry(number, 0.1) for number in range(100)])} == set(
        curing.STARTS
    )
    for cure, point in planned:
        before = dataclasses.asdict(points[point.number].config)
        changed = {k: (v, before[k]) for k, v in dataclasses.asdict(point.config).items() if v != before[k]}
        expected = {"clipping": "clip", curing.FLOSSING: None}.get(cure, "init" if "start" in cure else "learning_rate")
        assert list(changed) == ([expected] if expected else [])
        assert drawn.RATES[0] <= point.config.learning_rate <= drawn.RATES[1]
        if cure == "tenfold learning rate":
            assert changed["learning_rate"][0] == pytest.approx(10 * changed["learning_rate"][1], rel=0.01)
        if cure == "chrono start":
            assert point.config.init == "chrono"


def test_shares_are_of_the_nets_that_a_cure_was_tried_on():
    cured = [entry(number, loss, cure="clipping") for number, loss in ((0, 0.1), (1, 1.0), (2, 1.0), (3, 1.0))]
    cured += [entry(number, loss, cure=curing.FLOSSING) for number, loss in ((1, 0.1), (2, 1.0))]
    found = curing.outcomes(cured)
    assert list(found) == ["clipping", curing.FLOSSING]
    assert found["clipping"].tried == 4
    assert found["clipping"].rescued[0] == 0.25
    assert found["clipping"].of_curable[0] == 0.5  # of nets 0 and 1
    assert found[curing.FLOSSING].rescued[0] == 0.5
    assert found[curing.FLOSSING].of_curable[0] == 1
    assert math.isnan(curing.outcomes([entry(0, 1.0, cure="clipping")])["clipping"].of_curable[0])


def test_it_goes_on_where_it_stopped_and_says_what_came_of_it(tmp_path, monkeypatch, capsys):
    bank = [entry(0, 0.1), entry(1, 1.0), entry(2, 1.0)]
    made = []

    def measured(point, prepare):
        made.append((point.number, prepare is not None))
        if len(made) == 4:
            raise KeyboardInterrupt
        return entry(point.number, 0.1 if prepare else 1.0)

    monkeypatch.setattr(watched, "measured", measured)
    words = ["curing", "--bank", str(tmp_path / "bank.jsonl"), "--file", str(tmp_path / "cures.jsonl"), "--nets", "2"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(UserError, match="no net is in"):
        curing.main()
    entries.write(tmp_path / "bank.jsonl", bank)
    with pytest.raises(KeyboardInterrupt):
        curing.main()
    curing.main()
    assert {number for number, _ in made} == {0, 1}  # the first two, and no more
    assert {number for number, flossed in made if flossed} == {1}  # the one that failed
    assert made[3] == made[4]
    assert f"{curing.FLOSSING}: 1 net, 100% learned" in capsys.readouterr().out
    assert len(entries.read(tmp_path / "cures.jsonl")) == len(made) - 1
