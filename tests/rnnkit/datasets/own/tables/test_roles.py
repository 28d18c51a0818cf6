"""Which column of a table is what, where no flag and no usual name says it."""

import json
import shlex

import pytest

from rnnkit.core import UserError
from rnnkit.datasets.own import reading
from rnnkit.datasets.own.data import How


def visits(name="patient_id", day="day", target=lambda person, visit: "ab"[person % 2], who="p{}".format):
    """A table of 12 persons with 3 to 5 visits each, two numbers at each."""
    lines = [f"{name},{day},pulse,heat,kind"]
    for person in range(12):
        rows = [(who(person), 2 * visit, 60 + person, 36.5, target(person, visit)) for visit in range(3 + person % 3)]
        lines += [",".join(map(str, row)) for row in rows]
    return "\n".join(lines) + "\n"


def read(tmp_path, table, **how):
    path = tmp_path / "visits.csv"
    path.write_text(table)
    return reading.read(path, How(**{"target": "kind", **how}))


@pytest.mark.parametrize("name", ["patient_id", "Patient ID", "patientId", "patient", "record_id", "bearing"])
def test_those_that_were_measured_are_known_by_their_rows(tmp_path, name):
    found = read(tmp_path, visits(name))
    assert (len(found), found.reads, found.channels) == (12, "series", ("pulse", "heat"))
    assert found.lengths.tolist() == [3 + person % 3 for person in range(12)]
    assert dict(found.guessed) == {"id": name, "time": "day"}
    assert f"rows with the same {name!r} are one sequence" in found.notes[0]
    assert f"--ignore {shlex.quote(name)}" in found.notes[0]
    assert "--time" in found.notes[1]


def test_numbers_are_ids_where_their_column_is_called_so(tmp_path):
    assert len(read(tmp_path, visits("subject", who="{}".format))) == 12
    found = read(tmp_path, visits("weight", who="{}".format))
    assert len(found) == 48  # each row a sequence
    assert "where a row is a step: --id" in " ".join(found.notes)


def test_a_time_goes_up_within_each(tmp_path):
    text = visits().replace("p3,2,", "p3,0,")
    found = read(tmp_path, text)
    assert dict(found.guessed) == {"id": "patient_id"}
    assert found.channels == ("day", "pulse", "heat")


def test_rows_of_one_with_several_targets_are_no_sequence_but_can_be_kept_together(tmp_path):
    changing = visits("subject", target=lambda person, visit: "ab"[visit % 2], who="{}".format)
    found = read(tmp_path, changing)
    assert len(found) == 48
    assert "rows with the same 'subject' can come into two parts (to keep them in one: --group)" in found.notes
    assert all(len(one) == 3 for one in found.inputs)  # who it was is no value
    assert not any("two parts" in note for note in read(tmp_path, changing, group="subject").notes)


def test_many_numbers_in_a_row_are_a_sequence(tmp_path):
    names = [f"v{number}" for number in range(30)]
    lines = [",".join(["subject", *names, "kind"])]
    lines += [",".join([str(row // 4), *["1.5"] * 30, "ab"[row // 4 % 2]]) for row in range(24)]
    assert read(tmp_path, "\n".join(lines)).lengths.tolist() == [30] * 24
    few = [",".join([line.split(",")[0], *line.split(",")[11:]]) for line in lines]
    assert read(tmp_path, "\n".join(few)).lengths.tolist() == [4] * 6  # of 20 numbers a row is a step


def test_texts_beside_numbers_stay_texts_and_the_guess_names_its_flags(tmp_path):
    lines = ["review,stars,kind", *(f"what a film number {row},{row % 5},{'ab'[row % 2]}" for row in range(20))]
    found = read(tmp_path, "\n".join(lines))
    assert (len(found), found.reads) == (20, "text")
    assert any("--text" in note and "--id" in note for note in found.notes)


@pytest.mark.parametrize(("there", "fault", "field"), [("p3,2,", "p3,x3,", "day"), ("63,36.5", "8 8.1,36.5", "pulse")])
def test_a_field_that_is_no_number_is_named(tmp_path, there, fault, field):
    with pytest.raises(UserError, match=rf"visits.csv, line \d+, field '{field}'"):
        read(tmp_path, visits().replace(there, fault, 1))


def test_a_list_among_the_fields_of_json_is_no_id(tmp_path):
    path = tmp_path / "visits.jsonl"
    people = [{"patient_id": f"p{row // 4}", "pulse": row, "kind": "ab"[row // 4 % 2]} for row in range(40)]
    people[3]["patient_id"] = ["p0"]
    path.write_text("\n".join(map(json.dumps, people)))
    with pytest.raises(UserError, match="line 4, field 'patient_id'"):
        reading.read(path, How(target="kind"))


def log_of(hours=40):
    """What a logger writes of five machines: in the order of the clock, machine by machine in turn."""
    lines = ["logged at,machine,heat,shift,kind"]
    for hour in range(hours):
        when = f"2024-03-{1 + hour // 24:02} {hour % 24:02}:00"
        lines += [
            f"{when},m{number},{20 + number + hour},{'day' if hour % 2 else 'night'},{'ab'[number % 2]}"
            for number in range(5)
        ]
    return "\n".join(lines) + "\n"


def test_those_whose_rows_take_turns_are_known_by_name_and_dates_are_times(tmp_path):
    found = read(tmp_path, log_of())
    assert dict(found.guessed) == {"id": "machine", "time": "logged at"}
    assert found.lengths.tolist() == [40] * 5
    assert found.channels == ("heat",)
    assert "not used: column 'shift'" in found.notes


def test_dates_and_words_that_come_again_are_no_texts_where_there_are_numbers(tmp_path):
    text = log_of().replace("machine", "where")
    for how in ({}, {"ignore": ("logged at",)}):
        with pytest.raises(UserError, match="which rows are one sequence. Say it with --id, and with --time"):
            read(tmp_path, text, **how)
    assert len(read(tmp_path, text, id="where")) == 5
    assert len(reading.read(tmp_path / "visits.csv", How(target="kind", text="shift"))) == 200


def test_a_row_with_a_text_is_a_text_whoever_wrote_it(tmp_path):
    lines = [
        "user,said,stars,kind",
        *(f"u{row // 4},what I say number {row},{row % 5},{'ab'[row // 4 % 2]}" for row in range(40)),
    ]
    found = read(tmp_path, "\n".join(lines))
    assert (len(found), found.reads) == (40, "text")


def test_texts_with_dates_are_texts_whether_their_column_is_named_or_not(tmp_path):
    """A guessed time made one sequence of all rows where --text was given."""
    rows = [f"2024-01-{1 + n % 28:02},the film was {n},{n % 3},{'ab'[n % 2]}" for n in range(20)]
    table = "\n".join(["date,review,stars,kind", *rows]) + "\n"
    found = read(tmp_path, table, text="review")
    assert (len(found), found.reads, found.answers) == (20, "text", "label")
    assert found.notes[-1] == "not used: columns 'date', 'stars'"
    tokens = read(tmp_path, table, text="review", time="date")  # who says both has one sequence of words
    assert (len(tokens), tokens.reads, tokens.answers) == (1, "tokens", "tags")


def test_a_column_of_persons_that_is_not_used_names_the_flag_that_keeps_them_apart(tmp_path):
    lines = visits("bearing").splitlines()
    table = "\n".join([f"{lines[0]},speaker", *(f"{line},s{n % 4}" for n, line in enumerate(lines[1:]))])
    assert read(tmp_path, table).notes[-1] == (
        "not used: column 'speaker' (to keep each 'speaker' in one part: --group speaker)"
    )


@pytest.mark.parametrize(
    "written", ["{:02}/03/2025 08:00:01.200000", "{}.3.2025 8:00", "3/{}/25 08:00:01 PM", "{:02}-03-25"]
)
def test_dates_that_are_not_in_iso_format_are_no_texts_beside_numbers(tmp_path, written):
    """A table of a sensor was read as texts of its time stamps."""
    lines = visits("recording").splitlines()
    rows = [f"{line},{written.format(1 + n % 28)}" for n, line in enumerate(lines[1:])]
    found = read(tmp_path, "\n".join([f"{lines[0]},when", *rows]) + "\n", ignore=("day",))
    assert (len(found), found.reads, found.channels) == (12, "series", ("pulse", "heat"))
    assert found.notes[-1] == "not used: column 'when'"


@pytest.mark.parametrize("name", ["time", "timestamp", "seconds", "t_sec", "Time (s)", "elapsed_ms"])
def test_a_column_that_is_taken_for_the_time_is_said(tmp_path, name):
    found = read(tmp_path, visits("recording", day=name))
    assert f"{name!r} is the time of a step (another column: --time)" in found.notes
    assert found.channels == ("pulse", "heat")
    falling = visits("recording", day=name).splitlines()
    shuffled = "\n".join([falling[0], *reversed(falling[1:])])
    if name not in ("time", "timestamp"):  # whose name says enough
        assert name in read(tmp_path, shuffled).channels


@pytest.mark.parametrize("by_shop", [True, False])
def test_series_of_several_shops_over_the_same_days_are_not_one(tmp_path, by_shop):
    """Rows of shop after shop, or of day after day, without a word of what is a series."""
    rows = [
        (f"2024-01-{day:02}", shop, 7 * day + n, day % 7 == 0) for n, shop in enumerate("xyz") for day in range(1, 29)
    ]
    rows = rows if by_shop else sorted(rows)
    path = tmp_path / "sales.csv"
    path.write_text("date,shop,sold,open\n" + "".join(f"{d},{s},{v},{int(o)}\n" for d, s, v, o in rows))
    data = reading.read(path, How(target="sold"))
    assert (data.answers, len(data), data.guessed) == ("forecast", 3, (("id", "shop"),))
    path.write_text(path.read_text().replace(",x,", ",a b,").replace(",y,", ",a b,"))  # now a day comes twice in one
    data = reading.read(path, How(target="sold", ignore=("shop",)))
    assert "a time in 'date' comes in several rows: where these are of several series, say --id" in data.notes
