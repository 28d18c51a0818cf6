"""README and docs/: links lead somewhere, each page says for whom it is, and README stays short."""

import re

import pytest

from tests.helpers import ROOT


PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page):
    named = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    lost = [name for name in named if "://" not in name and not (page.parent / name).exists()]
    assert not lost


def test_readme_leads_to_every_page_and_stays_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {(ROOT / name).resolve() for name in re.findall(r"\]\((docs/[^)#\s]+\.md)", text)}
    assert named == {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert text.count("\n") <= 120


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.is_relative_to(ROOT / "docs")], ids=lambda page: page.name
)
def test_a_page_says_first_for_whom_it_is(page):
    assert page.read_text(encoding="utf-8").split("\n")[2].startswith("For you if ")
