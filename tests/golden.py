"""Short runs whose bits are the same on every machine, and the SHA-256 that each has.

    python -m tests.golden        # prints what this machine gives

They train on what is made here or comes with scikit-learn: no download. What counts are the weights, and all values of
all rows that a run promises. A change of an operation's order changes them, and then on purpose.
"""

import hashlib
import json
import random
import sys
import tempfile
from pathlib import Path

from rnnkit.core import determinism
from rnnkit.runs import read_rows, replay


GOLDEN = {
    "digits rnn": "dfb648fc52a67604506953903da0a93924441f2fdd44e216a19598a152807db8",
    "digits gru": "ea176c6cebac8bc70d262b5308e03a1983f9c7c9b11613f53e67e90abde95049",
    "digits lstm": "66bf92fac182e7b9f9482be1f0a0672490feb4ab3a080f9b86fb4c9a956b18ce",
    "memory adding": "d317adabe2f8b26d26e090c45be58d0a67743d252844b975ada3b084cb8de7cb",
    "memory copying": "f2dd856fb1e00ba89ffd3e42308e9204375b0c312686ab02c78ce105f84e344c",
    "char_lm": "f629bf41b196004aa64826c8b68637fa9b1ff1189b4a2f9bdf10921ccb1b8e82",
    "tagging": "c70d2ff5baec6b8445745ae4e834af1e6a9e1d478ea269d7f12fa20aa66c1f99",
}


def text(folder: Path) -> Path:
    """A text of made words."""
    generator, path = random.Random(0), folder / "made.txt"
    syllables = [first + second for first in "bdgklmnprst" for second in "aeiou"]
    words = ["".join(generator.choices(syllables, k=generator.randint(1, 4))) for _ in range(3_000)]
    path.write_text("".join(word + (" " if i % 9 else ".\n") for i, word in enumerate(words)))
    return path


def treebank(folder: Path) -> Path:
    """Tagged sentences whose words' last letters tell the tag."""
    generator, path = random.Random(0), folder / "made.conllu"
    endings = {"NOUN": "ka", "VERB": "no", "ADJ": "li", "ADV": "so"}
    lines = []
    for _ in range(240):
        for number in range(1, generator.randint(4, 12)):
            tag = generator.choice(list(endings))
            word = "".join(generator.choices("bdfgmprtvz", k=3)) + endings[tag]
            lines.append("\t".join([str(number), word, "_", tag, *"______"]))
        lines.append("")
    path.write_text("\n".join(lines) + "\n")
    return path


def trained(name: str, folder: Path, threads: int = 1) -> str:
    """Train the run of a name in `folder`, and return the SHA-256 over its weights and rows."""
    from experiments import char_lm, digits, memory, tagging

    here = {"track": "off", "runs_dir": folder, "threads": threads}
    small = {"hidden_size": 12, "depth": 2, "dropout": 0.2, **here}
    experiment, *what = name.split()
    if experiment == "digits":
        result = digits.run(digits.Config(cell=what[0], epochs=2, batch_size=64, observe="full", **small))
    elif experiment == "memory":
        result = memory.run(memory.Config(task=what[0], length=30, hidden_size=20, epochs=2, round=12, **here))
    elif experiment == "char_lm":
        options = {"text": str(text(folder)), "embedding_size": 10, "round": 15, "epochs": 2, "steps": 25}
        result = char_lm.run(char_lm.Config(cell="gru", **options, **small))
    else:
        options = {"embedding_size": 10, "letter_size": 6, "reader_size": 8, "epochs": 2}
        result = tagging.run(tagging.Config(data=str(treebank(folder)), **options, **small))
    digest = hashlib.sha256(str(result.weights_sha256).encode())
    for row in read_rows(result.folder):
        digest.update(json.dumps(replay.promised(row), sort_keys=True).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    determinism.settle_numerics()
    for run in sys.argv[1:] or GOLDEN:
        with tempfile.TemporaryDirectory() as place:
            print(f'    "{run}": "{trained(run, Path(place))}",', flush=True)
