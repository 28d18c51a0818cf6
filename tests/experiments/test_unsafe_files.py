"""Files that would run code when they are loaded: refused wherever something is loaded, and nothing runs."""

import ast
import hashlib
import io
import os
import pickle
import shutil
import zipfile

import pytest
import torch

from experiments import char_lm, recorded, reproduce, sample
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.datasets import jsb_chorales, mnist
from rnnkit.datasets.formats import conllu, labelled_text, text_file, word_lines
from rnnkit.runs import checkpoints, mirror_client, plots
from rnnkit.runs.manifest import Manifest
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from sweeps.study import folders
from tests.helpers import ROOT


class Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


class Evaluates(Runs):
    def __reduce__(self):
        return eval, (f"__import__('os').mkdir({self.marker!r})",)


class Nests(Runs):
    """A storage whose bytes are a pickle of their own."""

    def __reduce__(self):
        return torch.storage._load_from_bytes, (saved(Runs(self.marker)),)


def saved(value, **options) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def script(marker) -> bytes:
    """What torch takes for a TorchScript archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("archive/data.pkl", "archive/constants.pkl"):
            archive.writestr(name, pickle.dumps(Runs(marker)))
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


PAYLOADS = {
    "call": lambda marker: saved({"weights": Runs(marker)}),
    "eval": lambda marker: saved({"weights": Evaluates(marker)}),
    "nested": lambda marker: saved({"weights": Nests(marker)}),
    "old format": lambda marker: saved({"weights": Runs(marker)}, _use_new_zipfile_serialization=False),
    "pickle": lambda marker: pickle.dumps(Runs(marker), protocol=2),
    "script": script,
}


@pytest.mark.parametrize("name", [name for name in PAYLOADS if name not in ("pickle", "script")])
def test_the_files_do_run_code_where_nothing_forbids_it(name, tmp_path):
    torch.load(io.BytesIO(PAYLOADS[name](tmp_path / "ran")), weights_only=False)
    assert (tmp_path / "ran").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run that has ended, which writes and can be looked into."""
    runs = tmp_path_factory.mktemp("trained")
    text = runs / "text.txt"
    text.write_text("to be or not to be, that is the question\n" * 40)
    words = {"hidden_size": 4, "embedding_size": 4, "steps": 10, "epochs": 1, "observe": "off", "track": "off"}
    return char_lm.run(char_lm.Config(text=str(text), runs_dir=runs / "runs", **words)).folder


READERS = {
    "load": lambda folder: checkpoints.load(folder / "checkpoint.pt"),
    "sample": sample.load,
    "dynamics": lambda folder: recorded.trained(folder, None),
}


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_checkpoint_that_would_run_code_is_refused(payload, reader, sealed, trained, tmp_path):
    """Also with a checksum that fits."""
    folder, marker = tmp_path / trained.name, tmp_path / "ran"
    shutil.copytree(trained, folder)
    content = PAYLOADS[payload](marker)
    seal = b"RNNCKPT1" + hashlib.sha256(content).digest() if sealed else b""
    (folder / "checkpoint.pt").write_bytes(content + seal)
    with pytest.raises(UserError, match="holds more than tensors" if sealed else "is damaged or not a checkpoint"):
        READERS[reader](folder)
    assert not marker.exists()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_run_does_not_go_on_from_what_would_run_code(payload, trained, tmp_path, capsys):
    """It is named, and the run starts anew."""
    folder, marker = tmp_path / trained.name, tmp_path / "ran"
    shutil.copytree(trained, folder)
    (folder / "result.json").unlink()
    content = PAYLOADS[payload](marker)
    for name in (checkpoints.LATEST, checkpoints.PREVIOUS):
        (folder / name).write_bytes(content + b"RNNCKPT1" + hashlib.sha256(content).digest())
    config = recorded.settings(folder, runs_dir=tmp_path, track="off")
    assert char_lm.run(config).weights_sha256 == Result.read(trained).weights_sha256
    assert capsys.readouterr().err.count("holds more than tensors and plain values, and is not loaded") == 2
    assert not marker.exists()


def rows_of(folder):
    if not read_rows(folder):
        raise UserError("a line that is cut short is no row")


OF_A_RUN = {
    "manifest.json": Manifest.read,
    "result.json": Result.read,
    "metrics.jsonl": rows_of,
    "wandb/mirror.json": lambda folder: mirror_client.state(folder)["state"],
    "media/curves-000000001.json": plots.draw,
    "studies/one/study.json": lambda folder: folders.open_folder(folder, "one", char_lm.Config(), seed=0),
}


@pytest.mark.parametrize("name", OF_A_RUN)
def test_what_a_run_records_is_text_and_nothing_else(name, trained, tmp_path):
    folder, marker = tmp_path / trained.name, tmp_path / "ran"
    shutil.copytree(trained, folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(Runs(marker)))
    with pytest.raises((UserError, KeyError)):
        OF_A_RUN[name](folder)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["os", "reproduce", "lessons.words", "../evil", "building_blocks", None])
def test_a_manifest_cannot_name_another_module(name, trained, tmp_path):
    folder = tmp_path / trained.name
    shutil.copytree(trained, folder)
    files.write_json(folder / "manifest.json", {**files.read_json(folder / "manifest.json"), "experiment": name})
    for look in (recorded.settings, lambda folder: reproduce.replay_run(folder, reproduce.Options(run=str(folder)))):
        with pytest.raises(UserError):
            look(folder)


DATA = {
    "text": text_file.load,
    "table": labelled_text.read_table,
    "conllu": conllu.read,
    "words": word_lines.read,
    "music": jsb_chorales.read,
}


@pytest.mark.parametrize("name", DATA)
def test_data_of_ones_own_are_text_and_nothing_else(name, tmp_path):
    path, marker = tmp_path / "data.csv", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Runs(marker)))
    with pytest.raises(UserError):
        DATA[name](path)
    assert not marker.exists()


def test_images_of_ones_own_are_numbers_and_nothing_else(tmp_path):
    for name in mnist.FILES:
        (tmp_path / name).write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    with pytest.raises(UserError):
        mnist.read(tmp_path)
    assert not (tmp_path / "ran").exists()


REFUSED = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "yaml", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
LOADERS = {"torch.jit.load", "torch.export.load", "torch.package.PackageImporter", "torch.hub.load", "runpy.run_path"}


@pytest.mark.parametrize("folder", ["rnnkit", "experiments", "sweeps"])
def test_nothing_is_loaded_that_could_run_code(folder):
    """Every torch.load says weights_only=True, and no file knows of pickle, eval, exec or the like."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                assert not REFUSED & {name.name.split(".")[0] for name in node.names}, where
            if isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.split(".")[0] not in REFUSED, where
            if not isinstance(node, ast.Call):
                continue
            called, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert called not in CALLS | LOADERS, where
            assert given.get("shell", "False") == "False", where
            assert given.get("allow_pickle", "False") == "False", where
            if called == "torch.load":
                assert given["weights_only"] == "True", where
