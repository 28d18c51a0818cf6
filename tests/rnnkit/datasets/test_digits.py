import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from rnnkit.datasets import digits


def everything(data):
    parts = (data.train, data.valid, data.test)
    return [s for part in parts for s in part.inputs], torch.cat([part.targets for part in parts])


@pytest.mark.parametrize(
    ("view", "shortest", "longest", "features"),
    [("ink", 16, 42, 3), ("rows", 8, 8, 8), ("pixels", 64, 64, 1)],
)
def test_sizes(view, shortest, longest, features):
    data = digits.load(view)
    sequences, targets = everything(data)
    lengths = [len(s) for s in sequences]
    assert (len(sequences), min(lengths), max(lengths), data.features) == (1_797, shortest, longest, features)
    assert sorted(targets.tolist()) == sorted(load_digits().target)
    steps = torch.cat(data.train.inputs)
    inked = steps.std(0, unbiased=False) > 0
    torch.testing.assert_close(steps.mean(0), torch.zeros(features), rtol=0, atol=1e-5)
    torch.testing.assert_close(steps.std(0, unbiased=False)[inked], torch.ones(int(inked.sum())), rtol=0, atol=1e-5)


def test_ink_gives_the_image_back():
    data = digits.load("ink")
    images = data.images["train"]
    steps = np.concatenate([np.argwhere(image.reshape(8, 8) > 0) for image in images])
    mean, deviation = steps.mean(0), steps.std(0)
    for image, sequence in list(zip(images, data.train.inputs, strict=True))[:50]:
        rows, columns = np.rint(sequence[:, :2].numpy() * deviation + mean).astype(int).T
        assert (np.diff(rows * 8 + columns) > 0).all()  # raster order
        assert set(zip(rows, columns, strict=True)) == set(map(tuple, np.argwhere(image.reshape(8, 8) > 0)))
        assert np.corrcoef(image.reshape(8, 8)[rows, columns], sequence[:, 2])[0, 1] == pytest.approx(1, abs=1e-5)


def test_the_split_is_stratified_disjoint_and_depends_on_its_seed():
    one, again, other = digits.load(split_seed=0), digits.load(split_seed=0), digits.load(split_seed=1)
    assert torch.equal(one.test.targets, again.test.targets)
    assert not np.array_equal(one.images["test"], other.images["test"])
    whole = np.bincount(load_digits().target) / 1_797
    for part in (one.train, one.valid, one.test):
        assert np.abs(np.bincount(part.targets) / len(part) - whole).max() < 0.01
    every = np.concatenate([one.images[part] for part in ("train", "valid", "test")])
    assert np.array_equal(np.unique(every, axis=0), np.unique(load_digits().data, axis=0))
    assert one.sha256 == other.sha256
