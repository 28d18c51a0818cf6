"""Records of another processor: what is promised is compared to the bit, what is seen inside within rounding."""

import json
import shutil

import pytest

from experiments import digits, reproduce
from rnnkit.core import files
from rnnkit.nn import kernel_in_force
from tests.helpers import run_command, run_here


pytestmark = pytest.mark.skipif(kernel_in_force()["variant"] == "none", reason="the native kernel was not built")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    config = digits.Config(view="rows", epochs=1, hidden_size=6, track="off", runs_dir=tmp_path_factory.mktemp("runs"))
    return digits.run(config).folder


@pytest.fixture
def elsewhere(original, tmp_path):
    """The run as another processor would have recorded it: `metric`, in its last row, moved by `by`."""

    def made(metric="", by=0.0, **manifest):
        folder = shutil.copytree(original, tmp_path / original.name)
        values = files.read_json(folder / "manifest.json")
        values["machine"]["processor"] = "Another One"
        files.write_json(folder / "manifest.json", {**values, **manifest})
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        row, result = json.loads(lines[-1]), files.read_json(folder / "result.json")
        if metric:
            row[metric] = result["metrics"][metric] = row[metric] * (1 + by)
        (folder / "metrics.jsonl").write_text("\n".join([*lines[:-1], json.dumps(row)]) + "\n")
        files.write_json(folder / "result.json", result)
        return folder

    return made


INSIDE = "hidden/encoder.l0.f/rms"


def test_what_is_seen_inside_may_differ_by_rounding_elsewhere(elsewhere, monkeypatch, capsys):
    code, said = run_here(reproduce, monkeypatch, capsys, elsewhere(INSIDE, 1e-12))
    assert code == 0
    assert said.startswith("identical: ")
    count = int(said.split(": ")[2].split(" of ")[1].split()[0].replace(",", ""))
    assert f"{count:,} of {count:,} agree in 6 digits" in said
    assert "machine processor differs: Another One and" in said


def test_more_than_rounding_is_counted(elsewhere, monkeypatch, capsys):
    code, said = run_here(reproduce, monkeypatch, capsys, elsewhere(INSIDE, 1e-3))
    count = int(said.split(": ")[2].split(" of ")[1].split()[0].replace(",", ""))
    assert (code, f"{count - 1:,} of {count:,} agree" in said) == (0, True)


@pytest.mark.parametrize("metric", ["loss/train", "grad_norm/total", "metric/accuracy/valid", "distance/head"])
def test_what_is_promised_may_not_differ_by_a_bit(metric, elsewhere, monkeypatch, capsys):
    code, said = run_here(reproduce, monkeypatch, capsys, elsewhere(metric, 1e-15))
    assert code == 1
    assert f"{metric}: " in said.splitlines()[0]


def test_without_the_promise_nothing_may_differ(elsewhere, monkeypatch, capsys):
    code, said = run_here(
        reproduce, monkeypatch, capsys, elsewhere(INSIDE, 1e-12, bits={"portable": False, "limits": ["so"]})
    )
    assert (code, INSIDE in said.splitlines()[0]) == (1, True)


def test_with_avx2_alone_a_run_is_the_same(original):
    """In a process of its own, which chooses other instructions for torch, its libraries and the kernel."""
    settings = {
        "RNNKIT_KERNEL": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }
    done = run_command("experiments.reproduce", original, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("identical: ")
    assert "numerics MKL_CBWR differs: AUTO,STRICT and AVX2" in done.stdout
