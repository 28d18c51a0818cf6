"""Parts of a data set that hold each class in the same share."""

import math

import numpy as np


def stratified(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of the examples that stay, and of the `share` of them that is taken out, by their labels.

    The same as scikit-learn's `train_test_split(..., test_size=share, stratify=labels, random_state=seed)` gives, whose
    import takes a second, and whatever its version is.
    """
    generator = np.random.RandomState(seed)  # noqa: NPY002 (the generator that the splits were drawn with)
    _, classes = np.unique(labels, return_inverse=True)
    taken = math.ceil(share * len(labels))
    counts = np.bincount(classes)
    staying = _shared_out(counts, len(labels) - taken, generator)
    leaving = _shared_out(counts - staying, taken, generator)
    stay: list[np.ndarray] = []
    leave: list[np.ndarray] = []
    for number, count in enumerate(counts):
        members = np.flatnonzero(classes == number)[generator.permutation(count)]
        stay.append(members[: staying[number]])
        leave.append(members[staying[number] :][: leaving[number]])
    return generator.permutation(np.concatenate(stay)), generator.permutation(np.concatenate(leave))


def in_three(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places of 60, 20 and 20 % of the examples, to train, validate and test with: each class in its share."""
    rest, test = stratified(labels, 0.2, seed)
    train, valid = (rest[part] for part in stratified(labels[rest], 0.25, seed))
    return train, valid, test


def _shared_out(counts: np.ndarray, total: int, generator: np.random.RandomState) -> np.ndarray:
    """How many of `total` each class gets by its count: whole parts, then the largest remainders, ties at random."""
    exact = counts / counts.sum() * total
    whole = np.floor(exact)
    remainder, left = exact - whole, int(total - whole.sum())
    for value in np.unique(remainder)[::-1]:
        if left <= 0:
            break
        equal = np.flatnonzero(remainder == value)
        chosen = generator.choice(equal, size=min(len(equal), left), replace=False)
        whole[chosen] += 1
        left -= len(chosen)
    return whole.astype(int)
