"""English Web Treebank of Universal Dependencies 2.8: 12,543 / 2,001 / 2,077 sentences with 17 universal tags.

Origin: N. Silveira et al., A Gold Standard Dependency Corpus for English, LREC 2014; release 2.8 of May 2021
(CC BY-SA 4.0). 204,584 words to train, 25,149 to validate and 25,097 to test with, from weblogs, newsgroups, e-mail,
reviews and answers.
"""

import functools
from collections import Counter
from pathlib import Path

from rnnkit.datasets import store
from rnnkit.datasets.formats import conllu
from rnnkit.datasets.formats.tagged import Part, Tagged


_ADDRESS = "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/r2.8/en_ewt-ud-{}.conllu"

ORIGIN = store.Origin(
    name="ud_ewt",
    addresses=tuple(_ADDRESS.format(part) for part in ("train", "dev", "test")),
    wanted=r"(?:^|/)(en_ewt-ud-(?:train|dev|test)\.conllu)$",
    sha256="b5e7362eb82d86590068470809689e0ae1af86115d62c14dafd35d98a4b576b6",
    most_bytes=2**26,
)


@functools.cache
def load(data_dir: Path | None = None) -> Tagged:
    """The official parts."""
    files = store.contents(ORIGIN, data_dir)
    parts: list[Part] = []
    left_out: Counter[str] = Counter()
    for name in ("train", "dev", "test"):
        file = f"en_ewt-ud-{name}.conllu"
        part, count = conllu.parse(files[file].decode("utf-8"), file)
        parts.append(part)
        left_out.update(count)
    train, valid, test = parts
    return Tagged(train, valid, test, conllu.TAGS, ORIGIN.sha256, dict(left_out))
