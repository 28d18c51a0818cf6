"""README and docs/: links lead somewhere, each page says for whom it is, and README stays short."""

import re

import pytest

from tests.helpers import ROOT


DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]


def text_of(page):
    return page.read_text(encoding="utf-8")


def anchors(page):
    """What can stand behind # in a link to a page: its headings as GitHub writes them in addresses."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(page):
    lost = []
    for address in re.findall(r'(?:\]\(|src=")([^)"\s]+)', text_of(page)):
        name, _, anchor = address.partition("#")
        target = page.parent / name if name else page
        if "://" not in address and not (target.exists() and (not anchor or anchor in anchors(target))):
            lost.append(address)
    assert not lost


def test_readme_leads_to_every_page_and_stays_short():
    text = text_of(ROOT / "README.md")
    named = {(ROOT / name).resolve() for name in re.findall(r"\]\((docs/[^)#\s]+\.md)", text)}
    assert named == set(DOCS)
    assert text.count("\n") <= 120


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_a_page_says_first_for_whom_it_is(page):
    assert text_of(page).split("\n")[2].startswith("For you if ")


def test_one_run_is_followed_through_the_pages():
    """What the sweep found is what README and the page on looking show."""
    pages = [ROOT / "README.md", ROOT / "docs" / "sweeps.md", ROOT / "docs" / "looking.md"]
    shown = {name for page in pages for name in re.findall(r"make show RUN=(\S+)", text_of(page))}
    assert len(shown) == 1
    assert f"    {shown.pop()}: finished" in text_of(pages[-1])
