from rnnkit.core import files
from sweeps.reading import RunIndex, studies
from tests.sweeps import made
from tests.torture.faults import records


def test_changed_records_are_borne_by_all_that_reads_them():
    """Some of them; `make torture ARGS=faults.records` takes all."""
    assert "all in words" in records.torture(every=1201)


def test_what_is_damaged_is_named_and_the_rest_is_shown(tmp_path):
    folder = made.run(tmp_path, seed=1, steps=10)
    files.write_json(folder / "manifest.json", files.read_json(folder / "manifest.json") | {"seed": [], "trial": "x"})
    files.write_json(folder / "result.json", files.read_json(folder / "result.json") | {"parameters": {}})
    card = RunIndex(tmp_path).run(folder.name)
    assert (card.state, card.seed, card.parameters, card.step) == ("finished", None, None, 10)
    assert card.trouble == (
        "manifest.json is damaged: its seed is [], trial is 'x'; result.json is damaged: its parameters is {}"
    )


def test_a_damaged_study_says_what_of_it_is(tmp_path):
    made.study(tmp_path)
    path = tmp_path / "studies" / "small" / "study.json"
    described = files.read_json(path)
    described["space"]["hidden_sizes"] = [8, "x", 16]
    files.write_json(path, described)
    found = studies.read(RunIndex(tmp_path), "small")
    assert found.trouble == "study.json is damaged: its space.hidden_sizes[1] is 'x'"
    assert {cell.hidden_size for cell in found.plane()} == {8, 16}
