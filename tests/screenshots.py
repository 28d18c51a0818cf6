"""The pictures in docs/screenshots: the dashboard's pages and a report, of a study and its runs, taken in Chromium.

    make sweep TRIALS=16 && python -m tests.screenshots digits-s0

The list, the study, the run whose settings its answer names, and that run beside the trials of the smallest and of the
largest network.
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import tyro
from PIL import Image

from rnnkit.core import cli
from rnnkit.core.errors import UserError
from rnnkit.runs import printing
from sweeps import report
from sweeps.reading import studies
from sweeps.reading.run_index import RunIndex
from sweeps.web import app
from tests import browser
from tests.sweeps.conftest import serving


MOST = 200_000  # bytes of a picture


@dataclass(frozen=True)
class Options:
    """Of what, and where to."""

    study: Annotated[str, tyro.conf.Positional]
    """The study's name."""
    runs_dir: Path = Path("runs")
    """Folder that holds the runs and, under studies/, the study."""
    out: Path = Path("docs/screenshots")
    """Folder for the pictures."""


def pages(index: RunIndex, name: str) -> dict[str, tuple[str, str, int, str | None]]:
    """For each picture the page's address, theme and height, and what of it comes first (None: its top)."""
    study = studies.read(index, name)
    best = study.best
    if best is None or best.run is None:
        raise UserError(f"study {name} has no finished trial to show")
    sized = sorted((t for t in study.of_state("finished") if t.run), key=lambda trial: trial.run.parameters or 0)
    beside = dict.fromkeys([best.run.name, sized[0].run.name, sized[-1].run.name])
    compared = f"/compare?{urlencode([('run', run) for run in beside])}"
    run = app.run_link(best.run.name)
    return {
        "list": ("/", "light", 760, None),
        "study": (app.study_link(name), "light", 1640, "#charts"),
        "run": (run, "light", 1180, None),
        "compare": (compared, "dark", 1020, None),
    }


def kept(path: Path, picture: bytes) -> None:
    """Write a picture with few colours, which is all that such pages have."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST:
        raise UserError(f"{path} has {path.stat().st_size:,} bytes, more than {MOST:,}")
    print(f"{printing.shown(path)}: {path.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    """Take all pictures."""
    options = cli.parse(Options, "python -m tests.screenshots", sys.argv[1:], __doc__)
    executable = browser.path()
    if executable is None:
        raise UserError("the pictures are taken in Chromium, which is not here: apt-get install chromium")
    index = RunIndex(options.runs_dir)
    wanted = pages(index, options.study)
    options.out.mkdir(parents=True, exist_ok=True)
    with serving(options.runs_dir) as port, browser.chromium(executable) as chromium:
        for name, (address, theme, height, first) in wanted.items():
            watched = browser.Window(chromium, f"http://127.0.0.1:{port}", theme, (1240, height))
            watched.open(address)
            watched.draw_all()
            if first:
                watched.page.locator(first).evaluate("(part) => scrollBy(0, part.getBoundingClientRect().top - 50)")
            kept(options.out / f"{name}.png", watched.page.screenshot())
            watched.close()
        written = report.write(index, options.study)
        watched = browser.Window(chromium, "", size=(860, 1100))
        watched.page.goto(written.resolve().as_uri())
        kept(options.out / "report.png", watched.page.screenshot())
        watched.close()


if __name__ == "__main__":
    cli.main(main, settle=False)
