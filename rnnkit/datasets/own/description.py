"""What a file holds, in a few lines, before anything is trained."""

from collections import Counter

import numpy as np

from rnnkit.core import wording
from rnnkit.datasets.own.data import OwnData
from rnnkit.datasets.own.parts import Places, flat, key_of


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
        facts.append(wording.count(len(data.channels), "channel"))
    facts.append(_answers(data))
    if data.reads == "series":
        missing = sum(int(np.isnan(one).sum()) for one in data.inputs) / sum(one.size for one in data.inputs)
        facts += [f"{missing:.0%} missing" if missing >= 0.005 else "some missing"] if missing else []
    twice = len(data) - len({key_of(one) for one in data.inputs})
    facts += [f"{twice:,} twice"] if twice else []
    counts = [len(np.unique(part)) for part in (places.train, places.valid, places.test)]
    folds = len(np.unique(places.fold))
    if folds > 1:
        divided = f"{counts[0]:,} to train and validate in {folds} folds, {counts[2]:,} to test"
    else:
        divided = f"{counts[0]:,} to train, {counts[1]:,} to validate, {counts[2]:,} to test"
    return [", ".join(facts), divided, *dict.fromkeys([*data.notes, *places.notes])]


def _answers(data: OwnData) -> str:
    if data.answers == "forecast":
        return f"forecast of {data.target!r}" if data.target else "forecast"
    if data.answers == "number":
        values = np.array(data.targets, float)
        return f"numbers from {wording.plain(float(values.min()))} to {wording.plain(float(values.max()))}"
    counts = Counter(flat(data.targets))
    total = counts.total()
    shares = [f"{100 * count / total:.0f}" for _, count in counts.most_common(6)]
    what = "tags" if data.answers == "tags" else "classes"
    return f"{len(counts):,} {what} ({', '.join(shares)}{', ...' if len(counts) > 6 else ''} %)"
