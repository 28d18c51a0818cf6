import hashlib
import json
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnkit.core.errors import UserError
from rnnkit.datasets import jsb_chorales
from rnnkit.datasets.generated import made_chords
from tests.helpers import data_at_hand


NOTES = st.sets(st.integers(jsb_chorales.LOWEST, jsb_chorales.HIGHEST), max_size=5).map(sorted)
PIECES = st.lists(st.lists(NOTES, min_size=2, max_size=6), min_size=1, max_size=3)


def notes_of(roll):
    return [[key + 21 for key in step.nonzero().flatten().tolist()] for step in roll]


@given(st.fixed_dictionaries({part: PIECES for part in jsb_chorales.PARTS}))
def test_the_notes_come_back_from_the_rows_of_keys(parts):
    music = jsb_chorales.parsed(json.dumps(parts).encode(), "some", "sum")
    for part in jsb_chorales.PARTS:
        rolls = getattr(music, part)
        assert [notes_of(roll) for roll in rolls] == parts[part]
        assert all(roll.shape[1] == 88 and set(roll.unique().tolist()) <= {0.0, 1.0} for roll in rolls)


@given(PIECES)
def test_each_step_is_to_be_told_from_those_before_it(pieces):
    music = jsb_chorales.parsed(json.dumps(dict.fromkeys(jsb_chorales.PARTS, pieces)).encode(), "some", "sum")
    examples = jsb_chorales.next_steps(music.test)
    for piece, inputs, targets in zip(pieces, examples.inputs, examples.targets, strict=True):
        assert (notes_of(inputs), notes_of(targets)) == (piece[:-1], piece[1:])


def test_a_step_that_names_a_note_twice_has_it_once():
    content = json.dumps(dict.fromkeys(jsb_chorales.PARTS, [[[60, 60, 21], [108]]])).encode()
    assert notes_of(jsb_chorales.parsed(content, "some", "sum").train[0]) == [[21, 60], [108]]


FINE = [[[60, 64], [62]], [[60], [], [64]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.json is not JSON: Expecting value"),
        (b"\xff\xfe\xff", "mine.json is not JSON: "),
        ("[" * 100_000, "mine.json is not JSON: "),
        ([], "must hold one object with the lists train, valid, test"),
        ({"train": FINE, "test": FINE}, "must hold one object with the lists train, valid, test"),
        ({"train": [], "valid": FINE, "test": FINE}, "mine.json, train must be a list of one piece or more"),
        ({"train": FINE, "valid": "FINE", "test": FINE}, "mine.json, valid must be a list of one piece or more"),
        ({"train": FINE, "valid": [[[60]]], "test": FINE}, "valid, piece 0 must be a list of two steps or more"),
        ({"train": [*FINE, 7], "valid": FINE, "test": FINE}, "train, piece 2 must be a list of two steps or more"),
        ({"train": FINE, "valid": FINE, "test": [[[60], 62]]}, "test, piece 0, step 1 must be a list of notes, not 62"),
        (
            {"train": FINE, "valid": FINE, "test": [[[60], [20]]]},
            "test, piece 0, step 1: note 20 is not a whole number",
        ),
        ({"train": FINE, "valid": FINE, "test": [[[109], []]]}, "step 0: note 109 is not a whole number in 21..108"),
        ({"train": FINE, "valid": FINE, "test": [[[60.0], []]]}, "step 0: note 60.0 is not a whole number in 21..108"),
        ({"train": FINE, "valid": FINE, "test": [[[True], []]]}, "step 0: note true is not a whole number in 21..108"),
        ({"train": FINE, "valid": FINE, "test": [[["60"], []]]}, 'step 0: note "60" is not a whole number in 21..108'),
        ({"train": FINE, "valid": FINE, "test": [[[float("nan")], []]]}, "step 0: note NaN is not a whole number"),
    ],
)
def test_what_holds_no_pieces_is_refused_with_the_place(tmp_path, content, message):
    path = tmp_path / "mine.json"
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        jsb_chorales.read(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path))
    assert "\n" not in str(error.value)


def test_pieces_of_ones_own(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(dict.fromkeys(jsb_chorales.PARTS, FINE)))
    music = jsb_chorales.read(path)
    assert [notes_of(roll) for roll in music.valid] == FINE
    assert music.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UserError, match="cannot read .*: No such file"):
        jsb_chorales.read(tmp_path / "none.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UserError, match="pipe.json: it is not a regular file"):
        jsb_chorales.read(tmp_path / "pipe.json")


def test_the_chorales_are_as_many_and_as_long_as_is_known():
    music = jsb_chorales.load(data_at_hand("jsb_chorales"))
    pieces = {part: getattr(music, part) for part in jsb_chorales.PARTS}
    assert {part: len(rolls) for part, rolls in pieces.items()} == {"train": 229, "valid": 76, "test": 77}
    assert sum(map(len, music.train)) == 13_807
    lengths = [len(roll) for rolls in pieces.values() for roll in rolls]
    assert (min(lengths), max(lengths)) == (25, 160)
    assert max(int(roll.sum(1).max()) for rolls in pieces.values() for roll in rolls) == 4  # four voices
    assert notes_of(music.train[0])[:2] == [[60, 72, 79, 88], [72, 79, 88]]


def test_made_chords_follow_their_rules_and_their_seed():
    music, again, other = made_chords.load(0), made_chords.load(0), made_chords.load(1)
    assert music.sha256 == again.sha256 != other.sha256
    assert all(torch.equal(one, same) for one, same in zip(music.train, again.train, strict=True))
    seen = set()
    for part, size in made_chords.SIZES.items():
        assert len(getattr(music, part)) == size
        for roll in getattr(music, part):
            assert 12 <= len(roll) <= 32
            assert (roll.sum(1) == 4).all()
            steps = notes_of(roll)
            (tonic,) = [tonic for tonic in made_chords.TONICS if made_chords.notes("I", tonic) == steps[0]]
            phrases = {tuple(map(tuple, (made_chords.notes(c, tonic) for c in p))): p for p in made_chords.PHRASES}
            for start in range(0, len(steps), 4):
                seen.add((tonic, phrases[tuple(map(tuple, steps[start : start + 4]))]))
    assert len(seen) == len(made_chords.TONICS) * len(made_chords.PHRASES)


def test_the_second_chord_of_a_phrase_cannot_be_told_and_all_others_can():
    for tonic in made_chords.TONICS:
        chords = [[tuple(made_chords.notes(chord, tonic)) for chord in phrase] for phrase in made_chords.PHRASES]
        assert len({phrase[0] for phrase in chords}) == 1
        assert len({phrase[1] for phrase in chords}) == 3
        assert all(len(set(phrase[i])) == 4 for phrase in chords for i in range(4))
    assert len({tuple(made_chords.notes("I", tonic)) for tonic in made_chords.TONICS}) == len(made_chords.TONICS)


@pytest.mark.parametrize("again", ["train", "valid"])
def test_a_part_that_stands_in_a_file_twice_is_refused(again):
    text = '{"train": [[[60], [61]]], "valid": [[[60], [61]]], "test": [[[60], [61]]], "' + again + '": [[[62], [63]]]}'
    with pytest.raises(UserError, match=f"is not JSON: '{again}' stands in it twice"):
        jsb_chorales.parsed(text.encode(), "x.json", "abc")
