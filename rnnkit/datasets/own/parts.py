"""Which sequences train, validate and test: as the file says, by a seed, by groups, by time; equal ones in one part."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnkit.core import UserError, wording
from rnnkit.datasets import splits
from rnnkit.datasets.own.data import OwnData


FEWEST = 10  # sequences, in all
TEST, VALID = 0.2, 0.25  # of all, and of what is left then


@dataclass(frozen=True)
class Places:
    """The places of the sequences of each part. With folds, `train` and `valid` are the same, `fold` the fold of each.

    `fold` is of shape (train,); all 0 without folds.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    fold: np.ndarray
    notes: tuple[str, ...] = ()


def divided(data: OwnData, seed: int, folds: int = 0) -> Places:
    """The parts: as `data.parts` says, the rest by a seed, 60, 20 and 20 %, each class in its share.

    Groups, and equal inputs, stay in one part. With folds the test part is set aside, and each of the others is
    validated once. Raises `UserError` for too few sequences, and for labels of one kind alone.
    """
    if len(data) < FEWEST:
        raise UserError(
            f"{wording.count(len(data), 'sequence')}: at least {FEWEST} are needed to train, validate and test"
        )
    units, notes = _units(data)
    labels, given = _labels(data), np.array(data.parts or [""] * len(data))
    train, valid, test = (np.flatnonzero(given == name) for name in ("train", "valid", "test"))
    free = np.flatnonzero(given == "")
    if not len(test):
        train, test = _cut(np.concatenate([train, free]), units, labels, TEST, seed)
    else:
        train = np.concatenate([train, free])
    fold = None
    if folds:
        train = valid = np.sort(np.concatenate([train, valid]))
        fold = _folds(train, units, labels, folds, seed)
    elif not len(valid):
        train, valid = _cut(train, units, labels, VALID, seed + 1)
    fold = np.zeros(len(train), int) if fold is None else fold
    places = Places(train, valid, test, fold)
    for name, part in (("train", train), ("validate", valid), ("test", test)):
        if not len(part):
            raise UserError(f"no sequence is left to {name} with: give more, or fewer groups")
    notes += [*_doubles(data, units, places), *_strange(data, places)]
    return Places(train, valid, test, fold, tuple(notes))


def _labels(data: OwnData) -> np.ndarray:
    """What parts are to hold in equal shares: labels, fifths of numbers; of tags nothing."""
    if data.answers == "label":
        return np.unique(np.array(data.targets), return_inverse=True)[1]
    if data.answers == "number":
        return np.searchsorted(np.quantile(data.targets, [0.2, 0.4, 0.6, 0.8]), data.targets)
    return np.zeros(len(data), int)


def _units(data: OwnData) -> tuple[np.ndarray, list[str]]:
    """A number for each sequence, the same for those that must stay together, and what is to be said of it."""
    above = list(range(len(data)))

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    equal = 0
    firsts: dict[bytes | str, int] = {}
    for place, one in enumerate(data.inputs):
        key = key_of(one)
        if key in firsts:
            equal += 1
            above[top(place)] = top(firsts[key])
        firsts.setdefault(key, place)
    for place, group in enumerate(data.groups):
        key = f"group {group}"
        above[top(place)] = top(firsts.setdefault(key, place))
    verb = "is" if equal == 1 else "are"
    notes = [f"{equal:,} of the sequences {verb} equal to one before: equal ones stay in one part"] if equal else []
    return np.array([top(place) for place in range(len(data))]), notes


def key_of(one: object) -> bytes:
    """What is the same for equal inputs, and for no others."""
    raw = one.tobytes() + str(one.shape).encode() if isinstance(one, np.ndarray) else repr(one).encode()
    return hashlib.sha256(raw).digest()


def _cut(
    places: np.ndarray, units: np.ndarray, labels: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Some of the places, and a share of them that is taken out, units whole, each label in its share."""
    members, kinds = _by_unit(places, units, labels)
    if len(members) < 2:
        raise UserError("all sequences belong together, by group or as equals: there is no second part")
    stay, leave = splits.stratified(kinds, share, seed)
    return (np.sort(np.concatenate([members[i] for i in part])) for part in (stay, leave))  # type: ignore[return-value]


def _by_unit(places: np.ndarray, units: np.ndarray, labels: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The places of each unit, and the label that most of them have."""
    found: dict[int, list[int]] = defaultdict(list)
    for place in places:
        found[int(units[place])].append(int(place))
    members = [np.array(of_unit) for of_unit in found.values()]
    return members, np.array([Counter(labels[of_unit].tolist()).most_common(1)[0][0] for of_unit in members])


def _folds(places: np.ndarray, units: np.ndarray, labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each place: units whole, dealt out label by label, so that each fold has its share."""
    members, kinds = _by_unit(places, units, labels)
    if len(members) < folds:
        raise UserError(f"--folds {folds}: the data can be divided into {len(members)} parts at most: take fewer folds")
    shuffled = np.random.default_rng([seed, 2]).permutation(len(members))
    order = shuffled[np.argsort(kinds[shuffled], kind="stable")]
    of_unit = {int(units[members[unit][0]]): number % folds for number, unit in enumerate(order)}
    return np.array([of_unit[int(units[place])] for place in places])


def _doubles(data: OwnData, units: np.ndarray, places: Places) -> list[str]:
    """Whether a test sequence stands in training too: only in parts that the file gives."""
    del units
    if not data.parts:
        return []
    known = {key_of(data.inputs[i]) for i in (*places.train, *places.valid)}
    double = sum(key_of(data.inputs[i]) in known for i in places.test)
    return (
        [f"{double:,} of {len(places.test):,} test sequences are in training too: scores look better than they are"]
        if double
        else []
    )


def _strange(data: OwnData, places: Places) -> list[str]:
    """Labels that training lacks. Raises `UserError` where it has a single one."""
    if data.answers not in ("label", "tags"):
        return []
    known = set(flat(data.targets[i] for i in places.train))
    if len(known) < 2:
        raise UserError(f"every sequence to train with has the label {min(known)!r}: two labels are needed")
    strange = Counter(word for word in flat(data.targets[i] for i in places.test) if word not in known)
    if not strange:
        return []
    what = "labels" if len(strange) > 1 else "label"
    few = ", ".join(f"{word!r}" for word in list(strange)[:5])
    return [f"{strange.total():,} test answers have the {what} {few}, which training lacks: they count as wrong"]


def flat(targets: object) -> list[str]:
    """Labels, or tags of all sequences, one after the other."""
    return [word for one in targets for word in (one if isinstance(one, list) else [one])]  # type: ignore[union-attr]


def joined(data: OwnData, test: OwnData) -> OwnData:
    """Data, and the test part from a file of its own. Raises `UserError` where the two do not fit together."""
    if (data.reads, data.answers, data.channels) != (test.reads, test.answers, test.channels):
        one, other = (f"{x.answers} of {x.reads} ({', '.join(x.channels) or 'no channels'})" for x in (data, test))
        raise UserError(f"--test is read as {other}, --data as {one}: they must be alike")

    def both(name: str) -> Sequence[object]:
        one, other = getattr(data, name), getattr(test, name)
        return [*one, *other] if len(one) and len(other) else []

    values = {name: both(name) for name in ("inputs", "targets", "lines", "ids", "groups", "gaps")}
    parts = [part if part != "test" else "" for part in data.parts] or [""] * len(data)
    digest = hashlib.sha256(f"{data.sha256} {test.sha256}".encode()).hexdigest()
    told = {"reads": data.reads, "answers": data.answers, "channels": data.channels, "target": data.target}
    told |= {"parts": [*parts, *["test"] * len(test)], "sha256": digest, "notes": data.notes, "guessed": data.guessed}
    return OwnData(**told, **values)  # type: ignore[arg-type]
