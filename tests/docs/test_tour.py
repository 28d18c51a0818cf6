"""The notebook that takes a newcomer through: it is kept without outputs, runs from its first cell to its last, and
shows what the teaching notebooks print."""

import nbformat
from nbclient import NotebookClient

from tests.helpers import ROOT


PATH = ROOT / "docs" / "tour.ipynb"


def test_it_is_kept_without_outputs():
    cells = [cell for cell in nbformat.read(PATH, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    assert not [cell for cell in cells if cell.outputs or cell.execution_count is not None]


def test_it_runs_and_shows_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))  # no history, and no settings of the one who runs the tests
    notebook = nbformat.read(PATH, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(PATH.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    for published in ("[-0.3520,  0.5253]", "[-0.6842,  0.7607]", "[-0.8649,  0.9047]"):  # by hand, and by the layer
        assert printed.count(published) >= 2
    assert "wrong: tensor([-0.8130,  0.9182])" in printed
    assert "validation accuracy by hidden size and depth" in printed
    assert len(pictures) == 2  # the gradient by steps, and the sweep's plane
