"""Sentences with universal tags: the format read strictly, and the English Web Treebank."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnkit.core.errors import UserError
from rnnkit.datasets import store, ud_ewt
from rnnkit.datasets.formats import conllu
from rnnkit.datasets.formats.conllu import Part
from tests.helpers import data_at_hand


def row(identity, form="word", tag="NOUN"):
    return "\t".join([str(identity), form, "_", tag, *"______"])


def file_of(*lines):
    return "\n".join(lines) + "\n"


FORMS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip)
SENTENCES = st.lists(st.lists(st.tuples(FORMS, st.sampled_from(conllu.TAGS)), min_size=1, max_size=5), max_size=5)


@given(SENTENCES, st.randoms(use_true_random=False))
def test_what_was_written_is_read(sentences, chance):
    """Also between comments, ranges and empty nodes, which are left out and counted."""
    lines, ranges, empty = [], 0, 0
    for sentence in sentences:
        lines += ["# a comment"] * chance.randrange(3)
        end = 0
        for number, (form, tag) in enumerate(sentence, start=1):
            if number > end and number < len(sentence) and chance.random() < 0.5:
                end = chance.randint(number + 1, len(sentence))
                lines.append(row(f"{number}-{end}", "both", "_"))
                ranges += 1
            lines.append(row(number, form, tag))
            for place in range(1, 1 + chance.randrange(3)):
                lines.append(row(f"{number}.{place}", "meant", "X"))
                empty += 1
        lines.append("")
    part, left_out = conllu.parse("".join(line + "\n" for line in lines), "here")
    assert part.sequences == [[form for form, _ in sentence] for sentence in sentences]
    assert part.tags == [[tag for _, tag in sentence] for sentence in sentences]
    assert dict(left_out) == {conllu.RANGES: ranges, conllu.EMPTY: empty}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (file_of(row(1).replace("\t_", "", 1), ""), "line 1: 9 fields with tabs between them, where CoNLL-U has 10"),
        (file_of(row(1) + "\t_", ""), "line 1: 11 fields"),
        (file_of("1 word _ NOUN _ _ _ _ _ _", ""), "line 1: 1 fields"),
        (file_of(row(1), row(2, form=""), ""), "line 2, field FORM: is empty"),
        (file_of(row(1), row(2, form=" "), ""), "line 2, field FORM: is empty"),
        (file_of(row(1)[:-1], ""), "line 1, field MISC: is empty"),
        (file_of(row(1), row(2, tag="NN"), ""), "line 2, field UPOS: 'NN' is none of the 17 universal tags"),
        (file_of(row(1, tag="_"), ""), "line 1, field UPOS: '_' is none"),
        (file_of(row(1, tag="noun"), ""), "line 1, field UPOS: 'noun' is none"),
        (file_of(row(1), row(3), ""), "line 2, field ID: word 3 where word 2 was expected"),
        (file_of(row(2), ""), "line 1, field ID: word 2 where word 1"),
        (file_of(row("01"), ""), "line 1, field ID: '01' is not the number of a word"),
        (file_of(row("9" * 5_000), ""), f"line 1, field ID: '{'9' * 40}' is not the number of a word"),
        (file_of(row("1-" + "9" * 5_000), ""), "line 1, field ID: '1-999"),
        (file_of(row("9" * 5_000 + ".1"), ""), "line 1, field ID: '999"),
        (
            file_of(row("\N{ARABIC-INDIC DIGIT ONE}"), ""),
            "line 1, field ID: '\N{ARABIC-INDIC DIGIT ONE}' is not the number of a word",
        ),
        (file_of(row("one"), ""), "line 1, field ID: 'one' is not the number of a word"),
        (file_of(row("2-3"), row(1), ""), "line 1, field ID: range 2-3 where one from word 1 on"),
        (file_of(row("1-1"), row(1), ""), "line 1, field ID: range 1-1"),
        (file_of(row("1-2"), row("1-3"), row(1), row(2), row(3), ""), "line 2, field ID: range 1-3"),
        (file_of(row("1-2"), row(1), row("2-3"), row(2), row(3), ""), "line 3, field ID: range 2-3"),
        (file_of(row("1-2"), row(1), ""), "line 3: the sentence ends before its range up to word 2"),
        (file_of(row(1), row("2.1"), ""), "line 2, field ID: empty node 2.1 where 1.1 could stand"),
        (file_of(row(1), row("1.1"), row("1.1"), ""), "line 3, field ID: empty node 1.1 where 1.2"),
        (file_of(row(1), "# late", row(2), ""), "line 2: 1 fields"),
        (file_of(row(1), "", "", row(1), ""), "line 3: an empty line where a sentence was expected"),
        (file_of("# no words", ""), "line 2: an empty line where a sentence"),
        (file_of(row(1)), "line 1: no empty line after the last sentence"),
        (file_of(row(1), "", "# cut"), "line 3: no empty line after the last sentence"),
        (file_of(row(1), "", row(1))[:-5], "line 3: the file ends within a line"),
        (file_of(row(1), "").replace("\n", "\r\n"), "line 1: ends with a carriage return"),
        (file_of(row(1), "").replace("\n", "\r"), "line 1: ends with a carriage return"),
        (file_of(row(1), row(2) + "\r", ""), "line 2: ends with a carriage return"),
    ],
)
def test_what_breaks_the_format_is_named_with_line_and_field(text, message):
    with pytest.raises(UserError) as error:
        conllu.parse(text, "mine.conllu")
    assert str(error.value).startswith(f"mine.conllu, {message}")
    assert "\n" not in str(error.value)


def test_an_odd_character_does_not_end_a_line():
    part, _ = conllu.parse(file_of(row(1, form="a\u2028b\x85c\x0bd"), ""), "here")
    assert part.sequences == [["a\u2028b\x85c\x0bd"]]


def test_a_file_of_ones_own_is_cut_in_order(tmp_path):
    (tmp_path / "mine.conllu").write_text("".join(file_of(row(1, form=f"w{n}"), "") for n in range(25)))
    treebank = conllu.read(tmp_path / "mine.conllu")
    assert [len(part.sequences) for part in treebank] == [20, 2, 3]
    forms = [form for part in treebank for (form,) in part.sequences]
    assert forms == [f"w{n}" for n in range(25)]
    assert treebank.left_out == {conllu.RANGES: 0, conllu.EMPTY: 0}
    (tmp_path / "few.conllu").write_text("".join(file_of(row(1), "") for _ in range(9)))
    with pytest.raises(UserError, match="few.conllu: 9 sentences, and at least 10 are needed"):
        conllu.read(tmp_path / "few.conllu")


def test_the_treebanks_parts_are_told_apart(tmp_path, monkeypatch):
    names = [f"en_ewt-ud-{part}.conllu" for part in ("train", "dev", "test")]
    files = {name: file_of(row("1-2", tag="_"), row(1, form=name), row(2), "").encode() for name in names}
    (tmp_path / "ud_ewt").mkdir()
    for name, content in files.items():
        (tmp_path / "ud_ewt" / name).write_bytes(content)
    monkeypatch.setattr(ud_ewt, "ORIGIN", dataclasses.replace(ud_ewt.ORIGIN, sha256=store.checksum(files)))
    treebank = ud_ewt.load(tmp_path)
    assert [part.sequences[0][0] for part in (treebank.train, treebank.valid, treebank.test)] == names
    assert treebank.left_out[conllu.RANGES] == 3


def test_the_real_treebank_has_the_published_counts():
    treebank = ud_ewt.load(data_at_hand("ud_ewt"))
    parts = (treebank.train, treebank.valid, treebank.test)
    assert [len(part.sequences) for part in parts] == [12_543, 2_001, 2_077]
    assert [sum(map(len, part.sequences)) for part in parts] == [204_584, 25_149, 25_097]
    assert treebank.left_out == {conllu.RANGES: 2_616 + 360 + 357, conllu.EMPTY: 24 + 2 + 1}  # counted by grep
    assert {tag for part in parts for tags in part.tags for tag in tags} == set(conllu.TAGS)
    assert treebank.train.sequences[0][:4] == ["Al", "-", "Zaman", ":"]
    assert treebank.train.tags[0][:4] == ["PROPN", "PUNCT", "PROPN", "PUNCT"]
    assert isinstance(treebank.test, Part)
