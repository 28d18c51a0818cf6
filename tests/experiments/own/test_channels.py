"""What is read of a step beside its values, and by what these are scaled: told, or by the data."""

import csv
import re

import numpy as np
import pytest

import rnnkit
from experiments import own
from experiments.own import examples
from rnnkit.core import UserError
from rnnkit.inference import reading
from rnnkit.runs import Result
from tests.experiments.own.made import order_matters, words, write
from tests.helpers import run_here


def spans(path, count=200, even=False):
    """Which of two spells of three steps is the short one: nothing but the times tells."""
    chance = np.random.default_rng(0)
    rows = []
    for number in range(count):
        gaps = chance.uniform(0.8, 1.2, 9) if not even else np.ones(9)
        gaps[1 + number % 2 * 4 : 4 + number % 2 * 4] *= 1 if even else 0.2
        rows += [
            f"{number},{when:.3f},{value:.3f},{'ab'[number % 2]}"
            for when, value in zip(gaps.cumsum(), chance.normal(0, 1, 9), strict=True)
        ]
    return write(path, "id,time,v,label\n" + "\n".join(rows) + "\n")


def test_the_time_between_steps_is_read_where_they_do_not_come_evenly(tmp_path, monkeypatch, capsys):
    data, flags = spans(tmp_path / "spans.csv"), ["--target", "label", "--track", "off", "--folds", "1"]
    flags += ["--updates", "150", "--hidden-size", "8", "--runs-dir", tmp_path / "runs"]
    code, printed = run_here(own, monkeypatch, capsys, "--data", data, *flags)
    assert code == 0
    assert "the time between steps is read (--gaps)" in printed
    (folder,) = (tmp_path / "runs").iterdir()
    assert Result.read(folder).metrics["metric/accuracy/test"] > 0.9
    # A file of the same form is read so too: to the same answers, in any order of its rows.
    with (folder / "predictions.csv").open(newline="") as file:
        expected = {row["id"]: row["prediction"] for row in csv.DictReader(file)}
    head, *rows = data.read_text().splitlines()
    back = write(tmp_path / "back.csv", "\n".join([head, *reversed(rows)]) + "\n")
    model = rnnkit.load(folder)
    asked = reading.sequences(model, back)
    found = dict(zip(asked.ids, model.predict(asked.inputs), strict=True))
    assert {name: found[name] for name in expected} == expected
    without = write(tmp_path / "without.csv", "id,v\n1,0.3\n1,0.2\n")
    with pytest.raises(UserError, match="has no column of times, and the net reads the time since the step before"):
        reading.sequences(model, without)


def test_the_time_between_even_steps_is_not_read_unless_asked_for(tmp_path):
    even = str(spans(tmp_path / "even.csv", 30, even=True))
    assert own.settle(own.Config(data=even, target="label")).gaps == "off"
    found = examples.prepared(own.settle(own.Config(data=even, target="label", gaps="on", differences=True)))
    assert found.preprocessing.channels == ("v", "time since the step before")
    assert found.train.inputs[0].shape == (9, 4)
    timeless = write(
        tmp_path / "timeless.csv",
        re.sub("(?m)^([^,]*),[^,]*", r"\1", spans(tmp_path / "even.csv", 30, even=True).read_text()),
    )
    with pytest.raises(UserError, match="--gaps on: the steps have no times"):
        own.settle(own.Config(data=str(timeless), target="label", gaps="on"))
    texts = str(write(tmp_path / "words.csv", words()))
    with pytest.raises(UserError, match="--differences is for series of numbers"):
        own.settle(own.Config(data=texts, target="label", differences=True))


def test_places_of_quite_other_sizes_are_scaled_by_themselves(tmp_path):
    chance = np.random.default_rng(0)
    rows = chance.normal(0, (1, 0.01, 300, 2), (40, 4))
    table = "".join(f"{a:.5f},{b:.5f},{c:.5f},{d:.5f},{['no', 'yes'][int(a > 0)]}\n" for a, b, c, d in rows)
    data = str(write(tmp_path / "table.csv", "a,b,c,d,label\n" + table))
    for settings, shape in (({}, (1, 4)), ({"scale": "place"}, (4, 1))):
        made = examples.prepared(own.settle(own.Config(data=data, target="label", **settings)))
        found = made.preprocessing
        assert (found.places, found.table) == (4, shape == (1, 4))
        assert found.deviations == pytest.approx((1, 0.01, 300, 2), rel=0.5)
        assert {tuple(one.shape) for one in made.train.inputs} == {shape}
        assert found.features == shape[1]
        place = made.places.train[0]
        scaled = (rows[place] - found.means) / found.deviations
        np.testing.assert_allclose(made.train.inputs[0].flatten(), scaled, atol=1e-3)
    assert own.settle(own.Config(data=data, target="label", scale="channel")).scale == "channel"
    uneven = str(order_matters(tmp_path / "order.csv", 30))
    assert own.settle(own.Config(data=uneven, target="label")).scale == "channel"
    with pytest.raises(UserError, match="--scale place: it is for series of one length"):
        own.settle(own.Config(data=uneven, target="label", scale="place"))
    for settings in ({"data": uneven}, {"data": data, "differences": True}):
        with pytest.raises(
            UserError, match="--scale table: it is for series of one length, each with a label or a num"
        ):
            own.settle(own.Config(**settings, target="label", scale="table"))


def test_a_table_is_learned_in_one_step_and_answered_row_by_row(tmp_path):
    chance = np.random.default_rng(0)
    rows = chance.normal(0, (1, 0.01, 300, 2), (120, 4))
    rows[5, 1] = np.nan
    kinds = ["no" if (a > 0) == (d > 0) else "yes" for a, _, _, d in rows]  # no column tells it by itself
    text = "".join(
        f"{','.join('' if np.isnan(v) else f'{v:.5f}' for v in row)},{k}\n" for row, k in zip(rows, kinds, strict=True)
    )
    path = write(tmp_path / "table.csv", "a,b,c,d,label\n" + text)
    config = own.Config(data=str(path), target="label", track="off", updates=300, runs_dir=tmp_path)
    result = own.run(config)
    assert result.metrics["metric/accuracy/test"] > 0.8
    assert "unused memory" not in {flag.name for flag in result.flags}
    answers = rnnkit.load(result.folder).predict([row[:, None].astype(np.float32) for row in rows])
    assert np.mean([one == kind for one, kind in zip(answers, kinds, strict=True)]) > 0.85
