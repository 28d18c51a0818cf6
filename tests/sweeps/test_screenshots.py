"""The pictures that README and docs/looking.md show: they are there, small, and of pages that exist."""

import re
from urllib.request import urlopen

from PIL import Image

from sweeps.reading.run_index import RunIndex
from tests import screenshots
from tests.helpers import ROOT


def test_every_picture_that_is_shown_is_there_and_small():
    named = set(re.findall(r"docs/screenshots/\w+\.png", (ROOT / "README.md").read_text()))
    shown = re.findall(r"\((screenshots/\S+\.png)\)", (ROOT / "docs" / "looking.md").read_text())
    named |= {f"docs/{name}" for name in shown}
    kept = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "screenshots").iterdir()}
    assert named == kept
    for name in named:
        assert (ROOT / name).stat().st_size <= screenshots.MOST
        with Image.open(ROOT / name) as picture:
            assert picture.size[0] >= 800


def test_they_are_taken_of_the_list_a_study_a_run_and_several(kinds, port):
    pages = {}
    for name, (address, *_) in screenshots.pages(RunIndex(kinds[0]), "small").items():
        with urlopen(f"http://127.0.0.1:{port}{address}") as answer:
            pages[name] = answer.read().decode()
    assert list(pages) == ["list", "study", "run", "compare"]
    assert "<h1>Study small</h1>" in pages["study"]
    assert pages["compare"].count('<button type="button" data-hue') == 2  # the best is the largest here
