"""Files of all formats as sequences, beside what was written into them; what is guessed; what is refused."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnkit.core import UserError
from rnnkit.datasets.own import How, asking, read


SERIES = [np.arange(2 * n, dtype=np.float32).reshape(n, 2) + n for n in (3, 2, 4, 2, 5)]
LABELS = ["up", "down", "up", "down", "up"]


def table(path, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def long_rows(series=SERIES, labels=LABELS):
    rows = [
        [i, t, *step, label]
        for i, (one, label) in enumerate(zip(series, labels, strict=True))
        for t, step in enumerate(one)
    ]
    return [["id", "time", "a", "b", "label"], *rows]


def same(data, series=SERIES, labels=LABELS):
    assert list(data.targets) == list(labels)
    for one, other in zip(data.inputs, series, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("suffix", "sign"), [("csv", ","), ("csv", ";"), ("tsv", "\t")])
def test_a_long_table_has_a_row_a_step(tmp_path, suffix, sign):
    data = read(table(tmp_path / f"x.{suffix}", long_rows(), sign), How(target="label"))
    same(data)
    assert (data.reads, data.answers, data.channels) == ("series", "label", ("a", "b"))
    assert list(data.lines) == [2, 5, 7, 11, 13]
    assert any("'id'" in note and "--id" in note for note in data.notes)


def test_a_long_table_in_parquet_reads_as_in_csv(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    head, *rows = long_rows()
    columns = dict(zip(head, map(list, zip(*rows, strict=True)), strict=True))
    columns["a"] = [float(value) for value in columns["a"]]
    columns["b"] = [float(value) for value in columns["b"]]
    parquet.write_table(arrow.table(columns), tmp_path / "x.parquet", row_group_size=5)
    same(read(tmp_path / "x.parquet", How(target="label")))
    (tmp_path / "y.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(UserError, match="y.parquet is not a Parquet file that can be read"):
        read(tmp_path / "y.parquet", How(target="label"))


def test_rows_in_any_order_are_sorted_by_time_and_said(tmp_path):
    head, *rows = long_rows()
    order = np.random.default_rng(0).permutation(len(rows))
    data = read(table(tmp_path / "x.csv", [head, *(rows[i] for i in order)]), How(target="label"))
    by_id = {name: i for i, name in enumerate(data.ids)}
    same(data.subset([by_id[str(i)] for i in range(len(SERIES))]))
    assert any("come back" in note for note in data.notes)


def test_a_wide_table_has_a_row_a_sequence_and_empty_tails(tmp_path):
    rows = [["v1", "v2", "v3", "label"], [1, 2, "", "a"], [1, "", 3, "b"], [4, 5, 6, "a"]]
    data = read(table(tmp_path / "x.csv", rows), How(target="label"))
    assert [one.ravel().tolist()[:1] for one in data.inputs] == [[1.0], [1.0], [4.0]]
    assert data.lengths.tolist() == [2, 3, 3]
    assert np.isnan(data.inputs[1][1, 0])


def test_the_archives_tsv_has_no_header_and_its_class_first(tmp_path):
    rows = [["1.0", ".5", ".25", "NaN"], ["-1.0", "1", "2", "3"]] * 3
    data = read(table(tmp_path / "x.tsv", rows, "\t"), How())
    assert list(data.targets) == ["1", "-1"] * 3
    assert data.lengths.tolist() == [2, 3] * 3


def test_a_ts_file_has_channels_parted_by_colons(tmp_path):
    path = tmp_path / "x.ts"
    path.write_text("#c\n@problemName x\n@classLabel true a b\n@data\n1,2,3:4,?,6:a\n1,2:3,4:b\n")
    data = read(path, How())
    np.testing.assert_array_equal(data.inputs[0], np.array([[1, 4], [2, np.nan], [3, 6]], np.float32))
    assert (list(data.targets), data.lengths.tolist()) == (["a", "b"], [3, 2])
    path.write_text("@classLabel true a b\n@data\n1,2:4,5,6:a\n")
    with pytest.raises(UserError, match="line 3: its channels have different lengths"):
        read(path, How())


def test_arrays_are_padded_or_joined(tmp_path):
    padded = np.full((5, 5, 2), np.nan, np.float32)
    for row, one in zip(padded, SERIES, strict=True):
        row[: len(one)] = one
    np.savez(tmp_path / "x.npz", X=padded, y=LABELS)
    same(read(tmp_path / "x.npz", How()))
    lengths = [len(one) for one in SERIES]
    np.savez(tmp_path / "y.npz", X=np.concatenate(SERIES), lengths=lengths, kind=LABELS)
    same(read(tmp_path / "y.npz", How(target="kind")))


def test_no_array_is_unpickled(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.array([{"a": 1}], dtype=object), y=[1])
    with pytest.raises(UserError, match="x.npz is no .npz of plain arrays|cannot be read as .npz"):
        read(tmp_path / "x.npz", How())


def test_json_lines_hold_texts_series_or_tokens(tmp_path):
    path = tmp_path / "x.jsonl"
    rows = [{"series": one.tolist(), "label": label} for one, label in zip(SERIES, LABELS, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    same(read(path, How(target="label")))
    path.write_text('{"text": "a, b", "stars": 3.5}\n{"text": "c", "stars": 1.25}\n{"text": "d", "stars": 7}\n')
    data = read(path, How(target="stars"))
    assert (data.reads, data.answers, list(data.inputs), list(data.targets)) == (
        ("text", "number", ["a, b", "c", "d"], [3.5, 1.25, 7.0])
    )
    path.write_text('{"words": ["it", "is"], "tags": ["P", "V"]}\n{"words": ["go"], "tags": ["V"]}\n')
    data = read(path, How(target="tags"))
    assert (data.reads, data.answers, list(data.targets)) == ("tokens", "tags", [["P", "V"], ["V"]])


def test_tokens_and_tags_stand_in_lines(tmp_path):
    (tmp_path / "x.conll").write_text("EU B-ORG\nrejects O\n\n\nPeter B-PER\n")
    data = read(tmp_path / "x.conll", How())
    assert (list(data.inputs), list(data.targets)) == ([["EU", "rejects"], ["Peter"]], [["B-ORG", "O"], ["B-PER"]])
    assert list(data.lines) == [1, 5]
    (tmp_path / "x.conll").write_text("EU\tNNP\tB-ORG\nno\n")
    with pytest.raises(UserError, match="x.conll, line 2: 'no' where 3 columns were expected"):
        read(tmp_path / "x.conll", How())


def test_a_folder_has_a_subfolder_for_each_class(tmp_path):
    for name in ("cat", "dog"):
        for number in range(2):
            for part in ("train", "test"):
                (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
                (tmp_path / part / name / f"{number}.txt").write_text(f"{name} {number}\n")
    (tmp_path / "readme.md").write_text("x")
    data = read(tmp_path, How())
    assert sorted(zip(data.inputs, data.targets, data.parts, strict=True))[0] == ("cat 0", "cat", "test")
    assert len(data) == 8
    assert any("1 file (readme.md)" in note for note in data.notes)
    apart = tmp_path / "cat" / "9.txt"
    apart.parent.mkdir()
    apart.write_text("cat 9\n")
    with pytest.raises(UserError, match=rf"some files stand in train, valid or test, and {apart} does not"):
        read(tmp_path, How())


def test_one_series_is_forecast(tmp_path):
    rows = [["day", "sold", "price"], *([f"2024-01-{d:02}", d * 1.5, 3] for d in range(1, 29))]
    data = read(table(tmp_path / "x.csv", rows), How(target="sold", time="day"))
    assert (data.answers, data.channels, data.inputs[0].shape) == ("forecast", ("sold", "price"), (28, 2))
    assert data.inputs[0][:3, 0].tolist() == [1.5, 3.0, 4.5]


@pytest.mark.parametrize(
    ("targets", "answers"),
    [
        (["a", "b"] * 6, "label"),
        ([0, 1] * 6, "label"),
        ([1, 2, 3] * 4, "label"),
        (range(12), "number"),
        ([0.5, 1.5, 2.5] * 4, "number"),
    ],
)
def test_targets_are_labels_or_numbers_by_what_they_are(tmp_path, targets, answers):
    rows = [["v1", "v2", "y"], *([i, i + 1, y] for i, y in enumerate(targets))]
    path = table(tmp_path / "x.csv", rows)
    assert read(path, How(target="y")).answers == answers
    assert read(path, How(target="y", task="label")).answers == "label"


def test_what_is_not_used_is_named_and_a_split_is_heeded(tmp_path):
    rows = [
        ["text", "label", "who", "split"],
        *([f"t {i}", "ab"[i % 2], "me", ["train", "test"][i % 2]] for i in range(8)),
    ]
    data = read(table(tmp_path / "x.csv", rows), How(target="label"))
    assert list(data.parts) == ["train", "test"] * 4
    assert any("not used: column 'who'" in note for note in data.notes)
    assert any("'split'" in note and "--ignore split" in note for note in data.notes)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), st.sampled_from("ab")),
        min_size=2,
    )
)
def test_any_text_comes_back_as_it_was_written(tmp_path_factory, pairs):
    pairs = [(f"x{text}x", label) for text, label in pairs]
    path = table(tmp_path_factory.mktemp("texts") / "x.csv", [["text", "label"], *pairs])
    data = read(path, How(target="label"))
    assert list(data.inputs) == [text for text, _ in pairs]


def test_a_long_field_is_a_field(tmp_path):
    rows = [["text", "label"], ["x" * 200_000, "a"], ["y", "b"]]
    assert len(read(table(tmp_path / "x.csv", rows), How(target="label")).inputs[0]) == 200_000


def test_numbers_parted_by_blanks_are_a_table(tmp_path):
    path = tmp_path / "Coffee_TRAIN.txt"
    path.write_text("".join(f"  {i % 2}   0.5  {i}  -1.5e-01\n" for i in range(12)))
    data = read(path, How())
    assert (data.answers, data.lengths.tolist()) == ("label", [3] * 12)
    assert data.inputs[3][:, 0].tolist() == [0.5, 3.0, np.float32(-0.15)]


def test_conllu_gives_its_forms_and_universal_tags(tmp_path):
    path = tmp_path / "x.conllu"
    rows = [("1-2", "dont", "_"), ("1", "do", "AUX"), ("2", "nt", "PART")]
    text = "".join(f"{number}\t{form}\t_\t{tag}" + "\t_" * 6 + "\n" for number, form, tag in rows)
    path.write_text(f"# text = dont\n{text}\n" * 2)
    data = read(path, How())
    assert (data.inputs, data.targets) == ([["do", "nt"]] * 2, [["AUX", "PART"]] * 2)


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01T02:00:00+01:00", "2024-01-01T02:00:00Z", "2024-01-01 03:00"],
        ["2024/01/01", "2024/01/02", "2024/02/01"],
        ["00:05", "12:04:03", "23:59"],
        ["1", "1.5", "1e3"],
    ],
)
def test_times_of_all_kinds_order_the_steps(tmp_path, times):
    rows = [["id", "time", "v", "label"], *([i // 3, times[2 - i % 3], 2 - i % 3, "ab"[i // 3 % 2]] for i in range(12))]
    data = read(table(tmp_path / "x.csv", rows), How(target="label"))
    assert all(one[:, 0].tolist() == [0, 1, 2] for one in data.inputs)
    assert any("go back within a sequence" in note for note in data.notes)


def test_a_series_of_two_values_alone_is_forecast(tmp_path):
    rows = [["year", "sold"], *([1990 + i, i % 2] for i in range(12))]
    assert read(table(tmp_path / "x.csv", rows), How(target="sold")).answers == "forecast"


def test_a_net_is_asked_in_the_order_that_its_own_data_had(tmp_path):
    """Which columns may say the order is known in one place: a year does so where it was told to nobody, too."""
    path = tmp_path / "sales.csv"
    path.write_text("year,sold,rain\n2003,3,1\n2001,1,0\n2002,2,1\n")
    learned = read(path, How(target="sold", task="forecast"))
    asked = asking.read(path, How(target="sold", task="forecast"), ("sold", "rain"))
    assert learned.channels == ("sold", "rain")
    np.testing.assert_array_equal(asked.inputs[0], [[1, 0], [2, 1], [3, 1]])
    np.testing.assert_array_equal(asked.inputs[0], learned.inputs[0])


def test_decimal_commas_are_read_where_commas_part_no_fields(tmp_path):
    points = "id;t;a;b;label\n1;0;1.5;7;x\n1;1;-2.25;8;x\n2;0;3;9;y\n2;1;;1;y\n"
    (tmp_path / "points.csv").write_text(points)
    (tmp_path / "commas.csv").write_text(points.replace(".", ","))
    ours, theirs = (read(tmp_path / f"{name}.csv", How(target="label")) for name in ("commas", "points"))
    same(ours, theirs.inputs, theirs.targets)
    assert set(ours.notes) - set(theirs.notes) == {"decimal commas are read in 'a'"}
    asked = asking.read(tmp_path / "commas.csv", How(target="label", id="id", time="t"), ("a", "b"))
    np.testing.assert_array_equal(asked.inputs[0], ours.inputs[0])
    (tmp_path / "bare.tsv").write_text("0\t1,5\t2,5\n1\t3,5\t4\n")
    np.testing.assert_array_equal(read(tmp_path / "bare.tsv", How()).inputs[0], [[1.5], [2.5]])
