"""Documentation of Python that comes with Python: the reference behind `help("...")`, some 450,000 characters.

Origin: the module `pydoc_data.topics` of the standard library (Python Software Foundation License). It differs from
one version of Python to the next: its checksum goes into a run's manifest, and no published number is about it.
"""

import hashlib

from rnnkit.datasets.formats.text_file import Text


def load() -> Text:
    """All topics, in the order of their names."""
    from pydoc_data.topics import topics

    text = "\n\n".join(topics[name].strip() for name in sorted(topics))
    return Text(text, hashlib.sha256(text.encode()).hexdigest())
