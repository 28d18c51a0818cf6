"""Pages for a browser: runs and studies as charts."""

from pathlib import Path
from typing import TYPE_CHECKING

from rnnkit.core import wording


if TYPE_CHECKING:
    import jinja2

PAGES = Path(__file__).with_name("pages")


def templates() -> "jinja2.Environment":
    """The templates of all pages, which put what they are given as text."""
    import jinja2

    loader, undefined = jinja2.FileSystemLoader(PAGES), jinja2.StrictUndefined
    found = jinja2.Environment(
        loader=loader, autoescape=True, undefined=undefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {"number": wording.number, "seconds": wording.seconds, "setting": wording.plain}
    found.filters |= {"settings": wording.settings, "words": wording.in_brackets, "metric": wording.without_split}
    found.filters |= {"score": wording.metric, "counted": wording.count}
    return found
