"""The page of a made bank: what decides is on top, and each number is of the runs that it names."""

import json
import sys

import numpy as np
import pytest

from rnnkit.core import UserError
from rnnkit.runs.foretelling import signs
from sweeps.flag_study import entries, foretelling, pages, paper, scores
from sweeps.flag_study.entries import Entry


@pytest.fixture(scope="module")
def bank():
    """Nets of two tasks and two cells: the learning rate decides, and after a fifth the loss tells it."""
    generator, made = np.random.default_rng(0), []
    names = (*signs.SETTINGS, *scores.UNTRAINED, *signs.LOOK[:2])  # fewer are faster
    for number in range(80):
        task, family = (("adding 10", "adding"), ("music", "music"))[number % 2]
        looks = [dict(zip(names, generator.normal(size=len(names)).tolist(), strict=True)) for _ in range(5)]
        looks[0]["gradient through time"] *= 3  # exploding above 2.3
        learns = looks[0]["learning rate"] > 0
        curve = [1.0, *np.linspace(0.9, 0.5 if learns else 0.8, 20).tolist()]
        settings = {"cell": ("gru", "rnn")[number // 2 % 2]}
        status = "finished" if number else "diverged"
        loss = None if not number else 0.1 if learns else 0.9
        made.append(Entry(number, task, family, settings, status, loss, (1.0, 0.0), curve, looks, (11.2, 0.2, 1.0)))
    return made


@pytest.fixture(scope="module")
def page(bank):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foretelling, "PENALTIES", (1.0,))
        patch.setattr(foretelling, "DRAWS", 50)
        return paper.page(bank)


def cells_of(page, beginning):
    (line,) = [
        line for line in page.split("\n## ")[1].split("Cells that")[0].splitlines() if line.startswith(beginning)
    ]
    return [float(cell.split(" (")[0]) for cell in line.strip("| ").split(" | ")[1:]]


def test_the_page_counts_its_runs(page, bank):
    learned = sum(map(foretelling.learned, bank))
    assert "80 of 648 nets" in page
    assert f"{learned} did ({learned / 80:.0%})" in page
    assert "1 diverged" in page
    of_music = [entry for entry in bank if entry.task == "music"]
    assert f"| music | 40 | {sum(map(foretelling.learned, of_music))} | 1 | 0 |" in page
    assert "looks took 2.0% at the median, published scores 10.0%" in " ".join(page.split())
    assert max(len(line) for line in page.splitlines() if not line.startswith("|")) <= 120
    assert "So far 80 of 648 are done" in " ".join(page.split())


def test_what_decides_foretells_and_what_does_not_does_not(page):
    assert min(cells_of(page, "| settings |")) > 0.9
    assert max(cells_of(page, "| published scores |")) < 0.75
    assert cells_of(page, "| validation loss |")[0] == 0.5  # it has not begun to fall
    assert cells_of(page, "| validation loss |")[-1] > 0.9
    gaps = cells_of(page, "| signs and validation loss, less validation loss alone |")
    assert gaps[0] > 0.3
    assert abs(gaps[-1]) < 0.1
    assert "| sign | AUC |\n|---|---|---|\n| 0% | learning rate |" in page  # the best comes first


def test_signs_are_told_apart_whose_names_begin_alike(bank):
    known = foretelling.at(bank, 0)
    lines = paper.single([known, known])
    alone = known.of(lambda name: name == "before: gradient through time")
    assert alone.values.shape[1] == 1
    area = paper.inside(alone, foretelling.apart(alone, alone.families, foretelling.PENALTIES[0]))
    assert f"| 0% | gradient through time | {pages.words(area)} |" in lines


def test_flags_are_counted_by_what_became_of_the_nets(page, bank):
    raised = [scores.raised(entry.signs[0]) for entry in bank]
    counts = [
        sum(
            "exploding" in found for found, entry in zip(raised, bank, strict=True) if foretelling.learned(entry) == did
        )
        for did in (False, True)
    ]
    learned = sum(map(foretelling.learned, bank))
    row = f"| 0% | exploding | {counts[0]} of {80 - learned} | {counts[1]} of {learned} |"
    assert sum(counts) > 0
    assert row in page


def test_other_models_foretell_by_what_decides_too(page):
    rows = page.split("## What else was tried")[1].split("\n## ")[0].splitlines()[6:]
    assert len(rows) == 5
    for row in rows:
        before, late = (float(cell.split(" (")[0]) for cell in row.strip("| ").split(" | ")[1:])
        assert before > 0.9, row
        assert late > 0.9, row


def test_aims_are_said_to_be_reached_or_not(page):
    aims = page.split("## What was aimed at")[1]
    assert "- at least .95 after a fifth: reached for sure" in aims
    assert "- better than validation loss alone at every moment: for sure at 0%" in aims


def test_the_command_writes_the_page_and_says_where_there_is_no_bank(bank, tmp_path, monkeypatch, capsys):
    entries.write(tmp_path / "bank.jsonl", bank)
    assert entries.read(tmp_path / "bank.jsonl") == bank
    monkeypatch.setattr(paper, "page", lambda given, cured: f"{len(given)} runs")
    monkeypatch.setattr(
        sys,
        "argv",
        [
            *("paper", "--file", str(tmp_path / "bank.jsonl"), "--to", str(tmp_path / "flags.md")),
            *("--models", str(tmp_path / "models.json")),
        ],
    )
    paper.main()
    assert len(json.loads((tmp_path / "models.json").read_text())["models"]) == 5
    assert (tmp_path / "flags.md").read_text() == "80 runs"
    monkeypatch.setattr(sys, "argv", ["paper", "--file", str(tmp_path / "none.jsonl")])
    with pytest.raises(UserError, match="no run is in"):
        paper.main()
