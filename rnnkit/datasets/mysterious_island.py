"""The Mysterious Island by Jules Verne: a novel of 1,112,350 characters, 80 different ones.

Origin: Project Gutenberg, book 1268; public domain in the United States. The address is that of the copy which the
published numbers were computed from (the one Gutenberg serves today may be a later revision).
"""

from pathlib import Path

from rnnkit.datasets import store
from rnnkit.datasets.formats.text_file import Text


ORIGIN = store.Origin(
    name="mysterious_island",
    addresses=(
        "https://raw.githubusercontent.com/rasbt/machine-learning-book/"
        "35ab3774e8e249c43a98209d8efd94c060102003/ch15/1268-0.txt",
    ),
    wanted=r"(?:^|/)(1268-0\.txt)$",
    sha256="1beac57c9ae0f1a6dcc122985ad66a68e79c3c0543cf627afe777367dadf8822",
    most_bytes=2**24,
)


def load(data_dir: Path | None = None) -> Text:
    """The novel from its title to Project Gutenberg's closing words, line ends as single newlines.

    The slice is that of Raschka, Liu & Mirjalili, Machine Learning with PyTorch and Scikit-Learn (2022), chapter 15.
    """
    (content,) = store.contents(ORIGIN, data_dir).values()
    text = content.decode("utf-8-sig").replace("\r\n", "\n")
    return Text(text[text.index("THE MYSTERIOUS ISLAND") : text.index("End of the Project Gutenberg")], ORIGIN.sha256)
