"""What a file holds, in a few lines, before anything is trained."""

from collections import Counter

import numpy as np

from rnnkit.core import wording
from rnnkit.datasets.own.data import OwnData, are_columns, flag
from rnnkit.datasets.own.parts import Places, flat, key_of


MOST_NAMED = 6  # channels in a line


def lines(data: OwnData, places: Places) -> list[str]:
    """`1,200 sequences of 12 to 340 steps (median 87), 3 channels, 4 classes (41, 30, 20, 9 %), 2 % missing`; parts."""
    lengths = data.lengths
    unit = {"series": "step", "text": "character", "tokens": "token"}[data.reads]
    kind = {"series": "sequence", "text": "text", "tokens": "sequence of tokens"}[data.reads]
    count = wording.count(len(data), kind) if data.reads != "tokens" else f"{len(data):,} sequences of tokens"
    span = f"{lengths.min():,}" if lengths.min() == lengths.max() else f"{lengths.min():,} to {lengths.max():,}"
    median = "" if lengths.min() == lengths.max() else f" (median {int(np.median(lengths)):,})"
    facts = [f"{count} of {span} {unit}{'' if span == '1' else 's'}{median}"]
    if data.reads == "series":
        facts.append(wording.count(len(data.channels), "channel") + _names(data))
    facts.append(_answers(data))
    if data.reads == "series":
        missing = sum(int(np.isnan(one).sum()) for one in data.inputs) / sum(one.size for one in data.inputs)
        facts += [f"{missing:.0%} missing" if missing >= 0.005 else "some missing"] if missing else []
    twice = len(data) - len({key_of(one) for one in data.inputs})
    facts += [wording.count(twice, "duplicate")] if twice else []
    counts = [len(np.unique(part)) for part in (places.train, places.valid, places.test)]
    folds = len(np.unique(places.fold))
    if folds > 1:
        divided = f"{counts[0]:,} to train and validate in {folds} folds, {counts[2]:,} to test"
    else:
        divided = f"{counts[0]:,} to train, {counts[1]:,} to validate, {counts[2]:,} to test"
    return [", ".join(facts), divided, *dict.fromkeys([*data.notes, *_still(data), *places.notes])]


def _names(data: OwnData) -> str:
    """The channels by their names, where these are the file's own and few."""
    return (
        f" ({wording.listed(data.channels)})" if are_columns(data.channels) and len(data.channels) <= MOST_NAMED else ""
    )


def _still(data: OwnData) -> list[str]:
    """What is to be said of channels that have one value throughout each sequence."""
    if data.reads != "series" or data.lengths.max() < 2:
        return []
    still = np.ones(len(data.channels), bool)
    for one in data.inputs:
        still &= (one == one[0]).all(0)
        if not still.any():
            return []
    names = [name for name, same in zip(data.channels, still, strict=True) if same]
    shown = [repr(name) for name in names[:MOST_NAMED]]
    shown += [f"{len(names) - MOST_NAMED} more"] if names[MOST_NAMED:] else []
    said = f"{wording.listed(shown)} {'stays' if len(names) == 1 else 'stay'} the same within "
    said += "each sequence"
    if are_columns(data.channels):
        said += " (to leave out: --ignore"
        said += (
            ")" if data.groups else f"; to keep sequences of equal {names[0]!r} in one part: {flag('group', names[0])})"
        )
    return [said]


def _answers(data: OwnData) -> str:
    if data.answers == "forecast":
        return f"forecast of {data.target!r}" if data.target else "forecast"
    if data.answers == "number":
        values = np.array(data.targets, float)
        return f"numbers from {wording.plain(float(values.min()))} to {wording.plain(float(values.max()))}"
    counts = Counter(flat(data.targets))
    total = counts.total()
    what = f"{len(counts):,} {'tags' if data.answers == 'tags' else 'classes'}"
    shares = [(name, f"{100 * count / total:.0f}") for name, count in counts.most_common(MOST_NAMED)]
    if len(counts) <= MOST_NAMED:
        return f"{what} ({', '.join(f'{name} {share} %' for name, share in shares)})"
    return f"{what} ({', '.join(share for _, share in shares)}, ... %)"
