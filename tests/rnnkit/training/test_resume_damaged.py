"""A run goes on from what is whole of its checkpoints, and says what is not."""

import dataclasses
import shutil

import pytest
import torch

from experiments import digits
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs import Manifest, Membership, checkpoints, replay, rows, tracking
from rnnkit.runs.manifest import differences
from tests.rnnkit.training.interrupted import Killed, at, killed_at, let_go
from tests.torture import damage, forks


pytestmark = pytest.mark.usefixtures("quick_baseline")


class RunsCode:
    """What an attacker would put into a checkpoint."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


PIECES = [(part, name) for part, names in checkpoints.PARTS.items() for name in (None, *names)]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run that was killed in step 23."""
    with pytest.MonkeyPatch.context() as patch:
        return killed_at(23, at(tmp_path_factory.mktemp("killed")), patch)


@pytest.mark.parametrize(("part", "name"), PIECES)
def test_a_state_that_lacks_a_part_is_noticed(part, name, killed, tmp_path):
    folder = tmp_path / killed.name
    shutil.copytree(killed, folder)
    state = checkpoints.load(folder / checkpoints.LATEST)
    if name is None:
        del state[part]
    else:
        del state[part][name]
    checkpoints.save(folder / checkpoints.LATEST, state)
    found, wrong = checkpoints.latest(folder)
    assert wrong == [f"{folder / checkpoints.LATEST} lacks {part if name is None else f'{part} {name}'}"]
    assert found["record"]["step"] == 15


@pytest.mark.parametrize(
    ("changed", "lacks"),
    [
        ({"record": 5}, "record"),
        ({"place": []}, "place"),
        ({"record": {"size": "x"}}, "record size"),
        ({"best": None}, "best"),
    ],
)
def test_a_state_made_by_hand_is_noticed(changed, lacks, killed, tmp_path):
    """With a checksum that fits."""
    folder = tmp_path / killed.name
    shutil.copytree(killed, folder)
    state = checkpoints.load(folder / checkpoints.LATEST)
    state |= {part: state[part] | value if isinstance(value, dict) else value for part, value in changed.items()}
    checkpoints.save(folder / checkpoints.LATEST, state)
    found, wrong = checkpoints.latest(folder)
    assert wrong == [f"{folder / checkpoints.LATEST} lacks {lacks}"]
    assert found["record"]["step"] == 15


@pytest.mark.parametrize("damage", ["flip", "cut", "zeros", "code"])
def test_a_damaged_state_is_named_and_the_one_before_it_used(damage, undisturbed, tmp_path, monkeypatch, capsys):
    folder = killed_at(23, at(tmp_path), monkeypatch)
    path = folder / checkpoints.LATEST
    whole = path.read_bytes()
    marker = tmp_path / "ran"
    if damage == "flip":
        path.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    elif damage == "cut":
        path.write_bytes(whole[:-100])
    elif damage == "zeros":
        path.write_bytes(whole[:-512] + bytes(512))
    else:
        checkpoints.save(path, {"weights": RunsCode(marker)})
    digits.run(at(tmp_path))
    said = capsys.readouterr().err
    assert f"{path} " in said
    assert "the one before it is used" in said
    assert "goes on after step 15" in said
    assert forks.record(folder) == undisturbed
    assert not marker.exists()


def test_a_kill_in_the_first_save_after_a_damaged_state_leaves_the_good_one(undisturbed, tmp_path, monkeypatch):
    """The damaged state must not take the place of the one that the run went on from."""
    folder = killed_at(23, at(tmp_path), monkeypatch)
    path = folder / checkpoints.LATEST
    path.write_bytes(path.read_bytes()[:-1])

    def dies(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", dies)
        patch.setattr(tracking.Run, "end", let_go)
        with pytest.raises(Killed):
            digits.run(at(tmp_path))
    state, wrong = checkpoints.latest(folder)
    assert (state["record"]["step"], wrong) == (15, [])
    digits.run(at(tmp_path))
    assert forks.record(folder) == undisturbed


def test_no_damage_to_a_state_is_passed_over(killed, tmp_path):
    folder = tmp_path / killed.name
    shutil.copytree(killed, folder)
    assert "30 flipped bits, 9 cuts, 3 zeroed tails, none loaded" in damage.torture(folder, 30, seed=1)


def test_a_record_that_was_cut_behind_its_checkpoint_is_not_gone_on_from(undisturbed, tmp_path, monkeypatch, capsys):
    folder = killed_at(23, at(tmp_path), monkeypatch)
    lines = (folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_bytes(b"".join(lines[:17]))
    digits.run(at(tmp_path))
    said = capsys.readouterr().err
    assert f"{folder / checkpoints.LATEST} does not fit metrics.jsonl, which holds less than when it was saved" in said
    assert "goes on after step 15" in said
    assert forks.record(folder) == undisturbed


def test_other_data_than_it_began_with_are_refused(tmp_path, monkeypatch):
    folder = killed_at(23, at(tmp_path), monkeypatch)
    manifest = files.read_json(folder / "manifest.json")
    files.write_json(folder / "manifest.json", {**manifest, "data": {"digits": "other"}})
    with pytest.raises(UserError, match="the data have changed since"):
        digits.run(at(tmp_path))
    assert checkpoints.latest(folder)[0] is not None


def test_a_state_of_other_weights_is_refused(killed, tmp_path):
    folder = tmp_path / killed.name
    shutil.copytree(killed, folder)
    state = checkpoints.load(folder / checkpoints.LATEST)
    del state["weights"]["head.bias"]
    checkpoints.save(folder / checkpoints.LATEST, state)
    with pytest.raises(UserError, match=r"of another training .*: delete its folder"):
        digits.run(at(tmp_path))


def test_a_damaged_row_is_noticed_before_anything_is_trained(undisturbed, tmp_path, monkeypatch, capsys):
    """And the run goes on from the checkpoint before it, or from the beginning: else it could never end."""
    for line, after in ((17, "goes on after step 15"), (3, "the run starts anew")):
        runs = tmp_path / str(line)
        folder = killed_at(23, at(runs), monkeypatch)
        lines = (folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)
        lines[line - 1] = lines[line - 1].replace(b":", b" ", 1)
        (folder / "metrics.jsonl").write_bytes(b"".join(lines))
        digits.run(at(runs))
        said = capsys.readouterr().err
        assert f"does not fit metrics.jsonl, of which line {line} is damaged" in said
        assert after in said
        assert forks.record(folder) == undisturbed


@pytest.mark.parametrize("odd", ["a step again", "a text", "no step", "half a character"])
def test_of_rows_the_first_that_is_none_is_found(odd):
    whole = b'{"step": 1}\n{"step": 2}\n'
    spoilt = {"a step again": b'{"step": 2}', "a text": b'"step"', "no step": b"{}", "half a character": b'"\\ud800"'}
    assert rows.first_damaged(whole) is None
    assert rows.first_damaged(whole + spoilt[odd] + b'\n{"step": 3}\n') == 3
    assert rows.first_damaged(whole + b'{"step"') is None  # cut short by a kill


def test_a_state_of_another_run_is_not_gone_on_from(undisturbed, tmp_path, monkeypatch, capsys):
    folder = killed_at(23, at(tmp_path), monkeypatch)
    state = checkpoints.load(folder / checkpoints.LATEST)
    state["record"]["run"] = "digits-s9-12345678"
    checkpoints.save(folder / checkpoints.LATEST, state)
    digits.run(at(tmp_path))
    said = capsys.readouterr().err
    assert f"{folder / checkpoints.LATEST} is of another run, digits-s9-12345678; the one before it is used" in said
    assert forks.record(folder) == undisturbed


def test_trained_weights_are_those_of_the_result(tmp_path):
    weights = {"a": torch.ones(2)}
    checkpoints.save(tmp_path / "checkpoint.pt", {"weights": weights})
    assert checkpoints.trained(tmp_path, checkpoints.sha256_of(weights))["weights"]["a"].tolist() == [1.0, 1.0]
    for content in ({"weights": {"a": torch.zeros(2)}}, {"weights": [1]}, {"symbols": "ab"}):
        checkpoints.save(tmp_path / "checkpoint.pt", content)
        with pytest.raises(UserError, match="is not the one of this run"):
            checkpoints.trained(tmp_path, checkpoints.sha256_of(weights))


@pytest.mark.parametrize(
    ("bits", "so"), [("torch", "its bits may, too"), ("portable", "what it is promised to give stays")]
)
def test_what_changed_since_a_run_stopped_is_said_and_kept(bits, so, tmp_path, monkeypatch, capsys):
    """A replay names it too: the original's bits may come from two machines."""
    folder = killed_at(23, dataclasses.replace(at(tmp_path), bits=bits), monkeypatch)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    digits.run(dataclasses.replace(at(tmp_path), bits=bits))
    said = capsys.readouterr().err
    assert f"since it stopped, numerics ONEDNN_MAX_CPU_ISA has changed: None and AVX2; {so}" in said
    (part,) = Manifest.read(folder).parts
    assert (part.after, part.numerics["ONEDNN_MAX_CPU_ISA"]) == (20, "AVX2")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    again = digits.run(dataclasses.replace(at(tmp_path / "again"), bits=bits)).folder
    found = replay.compare(folder, again).surroundings
    assert ("numerics ONEDNN_MAX_CPU_ISA after step 20", "AVX2", None) in found


@pytest.mark.parametrize("name", ["MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "ATEN_CPU_CAPABILITY", "NVIDIA_TF32_OVERRIDE"])
def test_a_variable_that_changes_bits_stands_in_the_manifest(name, monkeypatch):
    before = Manifest.of(at("runs"), "run", {}, Membership())
    monkeypatch.setenv(name, "other")
    after = Manifest.of(at("runs"), "run", {}, Membership())
    found = differences(dataclasses.asdict(before), dataclasses.asdict(after), replay.COMPARED)
    assert (f"numerics {name}", before.numerics[name], "other") in found
