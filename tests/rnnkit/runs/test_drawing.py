"""Figures are the same whatever matplotlib is told from outside."""

import subprocess
import sys

import matplotlib

from rnnkit.runs import drawing
from tests.helpers import no_account


DRAWS = """
import sys
from pathlib import Path
from rnnkit.runs import drawing
with drawing.plain({"font.size": 9}):
    figure, (left, right) = drawing.figure(2, 2, 2)
    left.plot([1, 2], [3, 4], label="x_1 & 5 %")
    left.legend()
    right.imshow([[1.0, 2.0]])
    for kind in ("png", "svg"):
        drawing.save(figure, Path(sys.argv[1]) / f"drawn.{kind}")
"""


def drawn(folder, cwd, **environment):
    """The bytes of a figure, drawn in a process of its own."""
    folder.mkdir()
    words = [sys.executable, "-W", "error", "-c", DRAWS, str(folder)]
    done = subprocess.run(words, cwd=cwd, env=no_account() | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [(folder / f"drawn.{kind}").read_bytes() for kind in ("png", "svg")]


UNUSUAL = """
backend: module://matplotlib_inline.backend_inline
text.usetex: True
text.latex.preamble: \\nonsense
font.size: 30
figure.dpi: 300
figure.figsize: 20, 20
savefig.dpi: 20
savefig.bbox: tight
savefig.format: pdf
savefig.transparent: True
axes.prop_cycle: cycler('color', 'rgb')
figure.autolayout: True
image.cmap: jet
svg.fonttype: none
path.sketch: 1, 100, 2
axes.formatter.use_locale: True
no.such.key: 1
"""


def test_a_notebooks_backend_and_a_latex_users_settings_change_no_byte(tmp_path):
    """Nor do the working folder's own file, and a home that is not there."""
    plain = drawn(tmp_path / "plain", "/")
    (tmp_path / "matplotlibrc").write_text(UNUSUAL)
    config = tmp_path / "config"
    (config / "stylelib").mkdir(parents=True)
    (config / "matplotlibrc").write_text(UNUSUAL)
    (config / "stylelib" / "default.mplstyle").write_text("lines.linewidth: 9\n")
    unusual = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "TZ": "Asia/Tokyo", "HOME": "/nonexistent"}
    unusual |= {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "MPLCONFIGDIR": str(config)}
    assert drawn(tmp_path / "unusual", tmp_path, **unusual) == plain


def test_settings_of_this_process_are_left_alone_and_come_back(tmp_path):
    before = matplotlib.rcParams["lines.linewidth"], matplotlib.rcParams["text.usetex"]
    matplotlib.rcParams.update({"lines.linewidth": 7.0, "text.usetex": True, "timezone": "Asia/Tokyo"})
    try:
        with drawing.plain({"font.size": 9}):
            assert matplotlib.rcParams["text.usetex"] is False
            assert matplotlib.rcParams["lines.linewidth"] == matplotlib.rcParamsDefault["lines.linewidth"]
            assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["timezone"]) == (9, "UTC")
        assert (matplotlib.rcParams["lines.linewidth"], matplotlib.rcParams["text.usetex"]) == (7.0, True)
        assert matplotlib.rcParams["timezone"] == "Asia/Tokyo"
    finally:
        matplotlib.rcParams.update({"lines.linewidth": before[0], "text.usetex": before[1], "timezone": "UTC"})


def test_many_panels_stand_in_rows_of_two_each_of_the_size_that_was_asked_for():
    shapes = {panels: drawing.figure(4, 3, panels)[0].get_size_inches().tolist() for panels in (1, 3, 5, 6)}
    assert shapes == {1: [4, 3], 3: [12, 3], 5: [8, 9], 6: [8, 9]}
    _, axes = drawing.figure(4, 3, 6)
    places = [(at.get_subplotspec().rowspan.start, at.get_subplotspec().colspan.start) for at in axes]
    assert places == [(row, column) for row in range(3) for column in range(2)]


def test_no_window_knows_of_a_figure():
    from matplotlib import pyplot

    with drawing.plain({}):
        drawing.figure(1, 1)
    assert pyplot.get_fignums() == []
