"""Each format of own data, from file to net to answers: those to the test rows are the ones that training wrote."""

import csv
import json

import numpy as np
import pytest

import rnnkit
from experiments import own, predict
from rnnkit.core import UserError
from tests.helpers import refused, run_here


QUICK = ["--updates", "10", "--hidden-size", "6", "--track", "off", "--observe", "off"]
COUNT = 40


def shapes():
    """Series of unlike lengths with two channels, rounded so that text holds them; classes by their mean."""
    generator = np.random.default_rng(0)
    return [np.round(generator.normal(i % 2, 1, (4 + i % 5, 2)), 3) for i in range(COUNT)]


def texts():
    return [
        f"{'good' if i % 2 else 'dull'} film with the number {i}, {'well' if i % 3 else 'ill'} made"
        for i in range(COUNT)
    ]


def label(place):
    return ["low", "high"][place % 2]


def long_table(folder):
    rows = [f"{i},{a},{b},{label(i)}" for i, one in enumerate(shapes()) for a, b in one]
    (folder / "long.csv").write_text("case,a,b,kind\n" + "\n".join(rows) + "\n")
    return folder / "long.csv", ["--target", "kind", "--id", "case"]


def wide_table(folder):
    rows = [f"{label(i)}," + ",".join(map(str, one[:, 0])) + "," * (8 - len(one)) for i, one in enumerate(shapes())]
    (folder / "wide.tsv").write_text(
        "\n".join(["kind," + ",".join(f"t{n}" for n in range(8)), *rows]).replace(",", "\t")
    )
    return folder / "wide.tsv", ["--target", "kind"]


def table_with_parts(folder):
    """Columns that say which rows belong together, and which are to test with, are no values."""
    rows = [
        f"{i // 2},{('train', 'test')[i % 8 > 5]}," + ",".join(map(str, one[:4, 0])) for i, one in enumerate(shapes())
    ]
    lines = [f"{row},{label(i)}" for i, row in enumerate(rows)]
    (folder / "parts.csv").write_text("\n".join(["who,use,t1,t2,t3,t4,kind", *lines]))
    return folder / "parts.csv", ["--target", "kind", "--group", "who", "--split", "use"]


def table_of_texts(folder):
    rows = [json.dumps({"text": text, "kind": label(i)}) for i, text in enumerate(texts())]
    (folder / "texts.jsonl").write_text("\n".join(rows))
    return folder / "texts.jsonl", ["--target", "kind"]


def lines_of_series(folder):
    rows = [json.dumps({"steps": one.tolist(), "kind": label(i)}) for i, one in enumerate(shapes())]
    (folder / "series.jsonl").write_text("\n".join(rows))
    return folder / "series.jsonl", ["--target", "kind"]


def parquet(folder):
    arrow, tables = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"text": texts(), "stars": [float(i % 2) + i / 100 for i in range(COUNT)]}
    tables.write_table(arrow.table(columns), folder / "texts.parquet")
    return folder / "texts.parquet", ["--target", "stars", "--task", "number"]


def arrays(folder):
    lengths = np.array([len(one) for one in shapes()])
    np.savez(
        folder / "arrays.npz", X=np.concatenate(shapes()), lengths=lengths, y=np.array([label(i) for i in range(COUNT)])
    )
    return folder / "arrays.npz", []


def archive(folder, equal=False):
    series = [one[:4] if equal else one for one in shapes()]
    rows = [":".join(",".join(map(str, one[:, c])) for c in (0, 1)) + f":{label(i)}" for i, one in enumerate(series)]
    head = (
        f"@problemName made\n@timeStamps false\n@univariate false\n@dimensions 2\n@equalLength {str(equal).lower()}\n"
    )
    head += ("@seriesLength 4\n" if equal else "") + "@classLabel true low high\n@data\n"
    (folder / "made.ts").write_text(head + "\n".join(rows) + "\n")
    return folder / "made.ts", []


def equal_archive(folder):
    return archive(folder, equal=True)


def folder_of_texts(folder):
    for i, text in enumerate(texts()):
        (folder / "kinds" / label(i)).mkdir(parents=True, exist_ok=True)
        (folder / "kinds" / label(i) / f"{i:02}.txt").write_text(text)
    return folder / "kinds", []


def folder_of_numbers(folder):
    for i, one in enumerate(shapes()):
        (folder / "kinds" / label(i)).mkdir(parents=True, exist_ok=True)
        np.save(folder / "kinds" / label(i) / f"{i:02}.npy", one)
    return folder / "kinds", []


def tokens(folder):
    sentences = [["the", ["cat", "dog"][i % 2], ["sees", "runs"][i % 2], f"w{i}"] for i in range(COUNT)]
    rows = ["".join(f"{token}\t{tag}\n" for token, tag in zip(one, "DNVN", strict=True)) for one in sentences]
    (folder / "tags.conll").write_text("\n".join(rows))
    return folder / "tags.conll", []


FORMATS = [long_table, wide_table, table_with_parts, table_of_texts, parquet, arrays, archive, equal_archive]
FORMATS += [folder_of_texts, folder_of_numbers, tokens, lines_of_series]


@pytest.fixture(autouse=True)
def no_baselines(monkeypatch):
    """What cheap models answer takes longer than all else here."""
    monkeypatch.setattr("experiments.own.answer.beside_it", lambda keyed: ([], []))


@pytest.mark.parametrize("form", FORMATS)
def test_from_file_to_answers(form, tmp_path, monkeypatch, capsys):
    data, flags = form(tmp_path)
    runs = tmp_path / "runs"
    flags += ["--folds", "3" if form is long_table else "1"]  # nets that answer together, and a single one
    assert run_here(own, monkeypatch, capsys, "--data", data, *flags, *QUICK, "--runs-dir", runs)[0] == 0
    (run,) = runs.iterdir()
    monkeypatch.chdir(runs)
    code, printed = run_here(predict, monkeypatch, capsys, run, data)
    assert code == 0
    answers = list(csv.DictReader(printed.splitlines()))
    with (run / "predictions.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert len(answers) == (4 * COUNT if form is tokens else COUNT)
    assert 8 <= len(written) <= len(answers)
    places = {(row["id"], row.get("step")): row for row in answers}
    assert len(places) == len(answers)
    for row in written:
        step = str(int(row["step"]) + 1) if "step" in row else None
        other = places[row["id"], step]
        for name in row:
            if name == "prediction" or name.startswith("p("):
                if form is parquet or name != "prediction":
                    assert float(other[name]) == pytest.approx(float(row[name]), rel=1e-4, abs=1e-5)
                else:
                    assert other[name] == row[name]
    lines = [int(row["row"]) for row in answers]
    assert lines == sorted(lines)  # in the order of the rows


def test_what_follows_a_series(tmp_path, monkeypatch, capsys):
    values = [10 + 3 * np.sin(2 * np.pi * t / 12) + t / 50 for t in range(200)]
    (tmp_path / "wave.csv").write_text("t,heat\n" + "".join(f"{t},{value:.4f}\n" for t, value in enumerate(values)))
    flags = ["--target", "heat", "--time", "t", "--horizon", "3", *QUICK]
    assert (
        run_here(own, monkeypatch, capsys, "--data", tmp_path / "wave.csv", *flags, "--runs-dir", tmp_path / "r")[0]
        == 0
    )
    (run,) = (tmp_path / "r").iterdir()
    code, printed = run_here(predict, monkeypatch, capsys, run, tmp_path / "wave.csv")
    assert code == 0
    (row,) = csv.DictReader(printed.splitlines())
    found = [float(row[f"prediction {step}"]) for step in (1, 2, 3)]
    true = [10 + 3 * np.sin(2 * np.pi * t / 12) + t / 50 for t in (200, 201, 202)]
    assert found == pytest.approx(true, abs=0.3)
    model = rnnkit.load(run)
    assert model.predict([np.array(values)[:, None]])[0] == pytest.approx(found, rel=1e-6)
    (tmp_path / "short.csv").write_text("t,heat\n1,2\n2,3\n")
    done = refused("experiments.predict", run, tmp_path / "short.csv")
    assert done.returncode == 2
    assert "short.csv, line 2 has 2 steps: a forecast reads" in done.stderr


def test_without_the_target_answers_are_the_same(tmp_path, monkeypatch, capsys):
    data, flags = long_table(tmp_path)
    runs = tmp_path / "runs"
    assert run_here(own, monkeypatch, capsys, "--data", data, *flags, *QUICK, "--runs-dir", runs)[0] == 0
    (run,) = runs.iterdir()
    _, with_target = run_here(predict, monkeypatch, capsys, run, data)
    rows = [line.rsplit(",", 1)[0] for line in data.read_text().splitlines()]
    swapped = [",".join([one, b, a]) for one, a, b in (row.split(",") for row in rows)]  # and columns in another order
    (tmp_path / "new.csv").write_text("\n".join(swapped) + "\n")
    _, without = run_here(predict, monkeypatch, capsys, run, tmp_path / "new.csv")
    assert without == with_target
    with (tmp_path / "new.csv").open() as file, monkeypatch.context() as within:
        within.setattr("sys.stdin", file)
        _, piped = run_here(predict, within, capsys, run)
    assert piped == with_target


def test_columns_that_were_guessed_are_those_that_are_read_from_python_and_from_the_shell(
    tmp_path, monkeypatch, capsys
):
    lines, generator = ["patient_id,day,pulse,kind"], np.random.default_rng(0)
    for person in range(COUNT):
        days = generator.integers(1, 9, 3 + person % 4).cumsum()
        lines += [f"p{person},{day},{generator.normal(person % 2):.3f},{'ab'[person % 2]}" for day in days]
    data, runs = tmp_path / "visits.csv", tmp_path / "runs"
    data.write_text("\n".join(lines) + "\n")
    flags = ["--data", data, "--target", "kind", "--folds", "1", *QUICK, "--runs-dir", runs]
    assert run_here(own, monkeypatch, capsys, *flags)[0] == 0
    (run,) = runs.iterdir()
    model = rnnkit.load(run)
    assert (model.settings["id"], model.settings["time"]) == ("patient_id", "day")
    answers = list(csv.DictReader(run_here(predict, monkeypatch, capsys, run, data)[1].splitlines()))
    found = model.read(data)
    assert found.ids == [row["id"] for row in answers] == [f"p{person}" for person in range(COUNT)]
    assert model.predict(found.inputs) == [row["prediction"] for row in answers]
    with pytest.raises(UserError, match=r"give \(steps, 2\), .* time since the step before \(ln\(1 \+ it\), 0 at the"):
        model.predict([np.zeros((3, 1))])
