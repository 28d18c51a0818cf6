"""The examples of docs/own-data.md are read as it says."""

import argparse
import re

import pytest

from rnnkit.datasets.own import How, read
from tests.helpers import ROOT


EXAMPLES = dict(
    (head.split()[0], (head.split()[1:], content))
    for _, head, content in re.findall(
        r"^```(\w+) (\S+\.\w+.*)\n((?:.*\n)*?)```$", (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8"), re.M
    )
)
FOUND = {
    "visits.csv": ("series", "label", [2, 3], ("pulse", "heat")),
    "beats.csv": ("series", "label", [4, 3], ("channel 1",)),
    "reviews.csv": ("text", "label", [29, 11], ()),
    "moves.jsonl": ("series", "label", [2, 1], ("channel 1", "channel 2")),
    "names.conll": ("tokens", "tags", [3, 2], ()),
    "jumps.ts": ("series", "label", [3, 2], ("channel 1", "channel 2")),
    "sales.csv": ("series", "forecast", [3], ("sold", "price")),
}


def test_every_example_is_tried():
    assert set(EXAMPLES) == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_an_example_is_read_as_the_page_says(name, tmp_path):
    flags, content = EXAMPLES[name]
    parser = argparse.ArgumentParser()
    for flag in ("target", "time", "task"):
        parser.add_argument(f"--{flag}", default="auto" if flag == "task" else "")
    (tmp_path / name).write_text(content, encoding="utf-8")
    data = read(tmp_path / name, How(**vars(parser.parse_args(flags))))
    assert (data.reads, data.answers, data.lengths.tolist(), data.channels) == FOUND[name]
