import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from rnnkit.datasets import digits, splits


@given(
    st.integers(0, 2**32 - 1), st.lists(st.integers(2, 40), min_size=2, max_size=9), st.sampled_from([0.2, 0.25, 0.5])
)
def test_a_stratified_split_is_scikit_learns(seed, counts, share):
    labels = np.repeat(np.arange(len(counts)) * 3, counts)
    np.random.RandomState(seed).shuffle(labels)
    if np.ceil(share * len(labels)) < len(counts):
        return  # scikit-learn refuses it
    expected = train_test_split(np.arange(len(labels)), test_size=share, stratify=labels, random_state=seed)
    for ours, theirs in zip(splits.stratified(labels, share, seed), expected, strict=True):
        assert ours.tolist() == theirs.tolist()


def test_the_digits_are_those_of_scikit_learn():
    images, labels = digits.published()
    theirs, names = load_digits(return_X_y=True)
    assert np.array_equal(images, theirs)
    assert np.array_equal(labels, names)
