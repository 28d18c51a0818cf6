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


_ADDRESS = "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/r2.8/en_ewt-ud-{}.conllu"

ORIGIN = store.Origin(
    name="ud_ewt",
    addresses=tuple(_ADDRESS.format(part) for part in ("train", "dev", "test")),
    wanted=r"(?:^|/)(en_ewt-ud-(?:train|dev|test)\.conllu)$",
    sha256="b5e7362eb82d86590068470809689e0ae1af86115d62c14dafd35d98a4b576b6",
    most_bytes=2**26,
)


@functools.cache
def load(data_dir: Path | None = None) -> conllu.Tagged:
    """The official parts."""
    files = store.contents(ORIGIN, data_dir)
    names = [f"en_ewt-ud-{part}.conllu" for part in ("train", "dev", "test")]
    parts, counts = zip(*(conllu.parse(files[name].decode("utf-8"), name) for name in names), strict=True)
    left_out: Counter[str] = Counter()
    for count in counts:
        left_out.update(count)
    return conllu.Tagged(*parts, sha256=ORIGIN.sha256, names=conllu.TAGS, left_out=dict(left_out))
