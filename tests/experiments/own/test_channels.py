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
    with pytest.raises(UserError, match="--differences: words and tokens have none"):
        own.settle(own.Config(data=texts, target="label", differences=True))


def test_places_of_quite_other_sizes_are_scaled_by_themselves(tmp_path):
    chance = np.random.default_rng(0)
    rows = chance.normal(0, (1, 0.01, 300, 2), (40, 4))
    table = "".join(f"{a:.5f},{b:.5f},{c:.5f},{d:.5f},{['no', 'yes'][int(a > 0)]}\n" for a, b, c, d in rows)
    data = str(write(tmp_path / "table.csv", "a,b,c,d,label\n" + table))
    found = examples.prepared(own.settle(own.Config(data=data, target="label"))).preprocessing
    assert found.places == 4
    assert found.deviations == pytest.approx((1, 0.01, 300, 2), rel=0.5)
    assert own.settle(own.Config(data=data, target="label", scale="channel")).scale == "channel"
    uneven = str(order_matters(tmp_path / "order.csv", 30))
    assert own.settle(own.Config(data=uneven, target="label")).scale == "channel"
    with pytest.raises(UserError, match="--scale place: it is for series of one length"):
        own.settle(own.Config(data=uneven, target="label", scale="place"))
