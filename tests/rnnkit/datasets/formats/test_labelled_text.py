import csv
import io
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnkit.core.errors import UserError
from rnnkit.datasets.formats import labelled_text


TEN = "".join(f"good {i},pos\nbad {i},neg\n" for i in range(5))


def parts_of(table):
    return table.train, table.valid, table.test


def pairs_of(table):
    """All texts with their label, of all parts."""
    return Counter((t, table.labels[i]) for p in parts_of(table) for t, i in zip(p.texts, p.targets, strict=True))


def read(tmp_path, content, seed=0):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return labelled_text.read_table(path, seed)


def refused(tmp_path, content):
    """The one line that says why a table cannot be used, without the file's name."""
    with pytest.raises(UserError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert message.isprintable()  # one line, so
    assert message.startswith(str(tmp_path / "table.csv"))
    assert len(message) < len(str(tmp_path)) + 250
    return message.removeprefix(str(tmp_path / "table.csv"))


def test_a_table_by_hand(tmp_path):
    table = read(tmp_path, "text,label\n" + TEN)
    assert table.labels == ("neg", "pos")
    assert [len(part.texts) for part in parts_of(table)] == [6, 2, 2]
    assert [sum(part.targets) for part in parts_of(table)] == [3, 1, 1]
    assert pairs_of(table) == Counter(
        [*((f"good {i}", "pos") for i in range(5)), *((f"bad {i}", "neg") for i in range(5))]
    )


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12).filter(str.strip)


@settings(max_examples=60)
@given(
    st.lists(cells, min_size=2, max_size=2, unique=True),
    st.lists(cells, min_size=10, max_size=40),
    st.lists(st.booleans(), max_size=40),
    st.permutations(["text", "label", "number"]),
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]),
    st.integers(0, 3),
)
def test_every_row_is_in_one_part(tmp_path_factory, labels, texts, which, columns, style, seed):
    wanted = [(text, labels[w]) for text, w in zip(texts, [False] * 5 + [True] * 5 + which, strict=False)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator=style[0], quoting=style[1])
    writer.writeheader()
    writer.writerows({"text": text, "label": label, "number": 1} for text, label in wanted)
    table = read(tmp_path_factory.mktemp("table"), buffer.getvalue(), seed)
    assert table.labels == tuple(sorted(labels))
    assert pairs_of(table) == Counter(wanted)
    assert all(set(part.targets) == {0, 1} for part in parts_of(table))
    assert len(table.test.texts) == -(-len(wanted) // 5)


@pytest.mark.parametrize("few", [5, 6, 7])
@pytest.mark.parametrize("many", [5, 33, 98, 500])
def test_each_part_has_both_labels_however_rare_one_is(tmp_path, few, many):
    rows = ["text,label", *(f"t{i},yes" for i in range(few)), *(f"t{i},no" for i in range(many))]
    assert all(set(part.targets) == {0, 1} for part in parts_of(read(tmp_path, "\n".join(rows))))


def test_the_split_depends_on_the_seed_alone_and_the_checksum_on_the_file(tmp_path):
    one, again, other = (read(tmp_path, "text,label\n" + TEN, seed) for seed in (0, 0, 1))
    assert one == again
    assert one.test != other.test
    assert one.sha256 == other.sha256 != read(tmp_path, "text,label\n" + TEN + "good 5,pos\n").sha256


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_commas_and_line_ends_in_fields(tmp_path, end):
    rows = ["text,label", f'"a, ""b""{end}{end}c",pos', *TEN.splitlines()]
    table = read(tmp_path, end.join(rows))
    assert pairs_of(table)[f'a, "b"{end}{end}c', "pos"] == 1
    assert sum(pairs_of(table).values()) == 11


def test_long_texts_are_read(tmp_path):
    long = "word, " * 200_000  # beyond csv's own limit of 131,072 characters
    assert pairs_of(read(tmp_path, f'text,label\n{TEN}"{long}",pos\n'))[long, "pos"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", " is empty"),
        (" \n \r\n", " holds nothing but white space"),
        ("text,label", " has a header and no rows: at least 5 of each label are needed"),
        ("text,label\r\n", " has a header and no rows"),
        ("review,label\nx,pos\n", ", line 1: expected one column 'text' in the header, found ['review', 'label']"),
        ("text,Label\nx,pos\n", ", line 1: expected one column 'label'"),
        ("text,label,text\nx,pos,y\n", ", line 1: expected one column 'text'"),
        ("text;label\nx;pos\n", ", line 1: expected one column 'text' in the header, found ['text;label']"),
        ("\ntext,label\nx,pos\n", ", line 1: expected one column 'text' in the header, found []"),
        ("word " * 50_000, ", line 1: expected one column 'text'"),
        (",".join("abcdefghij" * 500), ", line 1: expected one column 'text'"),
        (f"text,label\n{TEN}x\n", ", line 12: 1 fields where the header has 2"),
        (f"text,label\n{TEN}x,y,pos\n", ", line 12: 3 fields where the header has 2"),
        (f"text,label\n{TEN}\nx,pos\n", ", line 12: an empty line where a row was expected"),
        (f"text,label\n{TEN},pos\n", ", line 12: the field 'text' is empty"),
        (f'text,label\n{TEN}"  ",pos\n', ", line 12: the field 'text' is empty"),
        (f"text,label\n{TEN}fine,\n", ", line 12: the field 'label' is empty"),
        (f"text,label\n{TEN}fine,\n".replace("\n", "\r"), ", line 12: the field 'label' is empty"),
        (f'text,label\n"two\nlines",pos\n{TEN}fine,\n', ", line 14: the field 'label' is empty"),
        (f'text,label\n{TEN}"two\r\n\r\nlines",\n', ", line 12: the field 'label' is empty"),  # where the row begins
        (f"text,label\n{TEN}x,so\ny,so\n", ", line 12: a third label 'so' beside 'neg' and 'pos'"),
        (f"text,label\n{TEN}x,pos \n", ", line 12: the label 'pos ' looks like 'pos', which came before"),
        (f"label,text\n{TEN.replace(',', ',word ' * 200)}", "fields where the header has 2"),
        ("label,text\n" + "".join(f"pos,{i}{'word ' * 5_000}\n" for i in range(5)), ": every row has the label 'pos'"),
        ("text,label\n" + "".join(f"pos,{i}{'word ' * 5_000}\n" for i in range(5)), ", line 4: a third label '2word"),
        ("text,label\n" + "x,pos\n" * 9, ": every row has the label 'pos'; two labels are needed"),
        ("text,label\n" + "x,pos\n" * 4, ": 4 rows of label 'pos', and at least 5 are needed"),
        ("text,label\n" + "x,pos\n" * 9 + "x,neg\n" * 4, ": 4 rows of label 'neg', and at least 5 are needed"),
        (b"text,label\nok,pos\nb\xe9d,neg\n", ", line 3: byte 19 (0xe9) is not UTF-8"),
        (b"\xef\xbb\xbftext,label\nx,pos\n", ", line 1: starts with a byte-order mark (UTF-8)"),
        (f"text,label\n{TEN}".encode("utf-16"), ", line 1: starts with a byte-order mark (UTF-16)"),
        (f"text,label\n{TEN}x\0y,pos\n", ", line 12: a NUL character"),
        (f'text,label\n{TEN}"never closed,pos\nx,neg\n', ", line 12: a quote opens"),
        (f'text,label\n{TEN}"closed" early,pos\n', ", line 12: "),
        ('"text,label\n' + TEN, ", line 1: a quote opens"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_its_place(tmp_path, content, said):
    assert said in refused(tmp_path, content)


def test_what_is_no_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="^cannot read .*: Is a directory$"):
        labelled_text.read_table(tmp_path)
    with pytest.raises(UserError, match="^cannot read .*no.csv: No such file or directory$"):
        labelled_text.read_table(tmp_path / "no.csv")


def test_a_third_label_far_below_is_found_in_time(tmp_path):
    rows = "".join(f"t{i},{'pos' if i % 2 else 'neg'}\n" for i in range(60_000))
    assert ", line 60002: a third label 'so'" in refused(tmp_path, f"text,label\n{rows}x,so\n")


@pytest.mark.parametrize(
    "label",
    [
        "pos ",
        "\u00a0pos",
        "pos\u200b",
        "p\u00ados",
        "\u2003pos",
        "pos\ufeff",
        "\u200epos",
        "caf\u0065\u0301",
        "x" * 300 + " ",
    ],
)
def test_labels_that_only_look_alike_are_refused(tmp_path, label):
    """Else they were two classes, or a third one that reads like the first."""
    plain = {"c": "café", "x": "x" * 300}.get(label[0], "pos")
    for other in ("neg", label):
        rows = "".join(f"good {i},{plain}\nbad {i},{other}\n" for i in range(5))
        if other == "neg":
            assert read(tmp_path, f"text,label\n{rows}").labels == tuple(sorted((plain, "neg")))
            rows += f"last,{label}\n"
        message = refused(tmp_path, f"text,label\n{rows}")
        assert "which came before, and is another: write them in one way" in message
        assert message.startswith(", line 12: the label" if other == "neg" else ", line 3: the label")
