"""What pages, the terminal and reports say of a study: its answer, how sure it is, and what the data support."""

from collections import Counter

from rnnkit.core import wording
from sweeps.analysis import Confirmation, read_confirmation
from sweeps.reading import describe
from sweeps.reading.run_index import Card, RunIndex
from sweeps.reading.studies import Study, Trial


HEADINGS = {"supported": "What the data support", "not_supported": "What they do not support"}
HEADINGS |= {"borders": "On the border of what was looked at", "timing": "With the same seed"}


def answer(study: Study, result: dict | None = None) -> list[str]:
    """What a study came to, a sentence a line: the best, how sure that is, its test score, and what others reach.

    What the sweep wrote in the end is said where it is there and of this state of the study: the best again on fresh
    seeds. Where it is not, what others reach comes from `result`, that of the best trial's run.
    """
    best, summary_best = study.best, _summary_best(study)
    if best is None:
        return ["No trial has finished yet."]
    again = _agreed(study)
    if again:
        sure = f", 95 % interval {again.interval}" if again.interval else ""
        lines = [
            f"Best: trial {again.trial}'s settings, {study.metric} {again.mean:.4f} as the mean over {again.count} "
            f"fresh seeds{sure}; found with {again.found:.4f} ({wording.settings(again.settings)})."
        ]
    else:
        lines = [f"Best: trial {best.number}, {study.metric} {best.value:.4f} ({wording.settings(best.settings)})."]
        summary_best = summary_best if summary_best.get("trial") == best.number else {}
    tested = summary_best.get("test")
    if not isinstance(tested, dict):
        tested = {best.run.metric.removesuffix("/valid") + "/test": best.run.test} if best.run else {}
    numbers = {wording.metric(name): value for name, value in tested.items() if isinstance(value, (int, float))}
    lines += [f"{wording.capital(what)} {value:.4f}." for what, value in numbers.items()]
    return lines + [f"{wording.capital(line)}." for line in describe.beside(summary_best or result or {})]


def chosen(study: Study) -> Trial | None:
    """The trial whose settings the answer names: the best again on fresh seeds, or while there is none the best."""
    again = _agreed(study)
    named = [trial for trial in study.trials if again and trial.number == again.trial]
    return named[0] if named else study.best


def _summary_best(study: Study) -> dict:
    """The best as the study's summary has it; {} where that says none."""
    best = study.summary.get("best")
    return best if isinstance(best, dict) else {}


def _agreed(study: Study) -> Confirmation | None:
    """The best on fresh seeds, if the study's summary chose it too."""
    rows = confirmations(study)
    return rows[0] if rows and _summary_best(study).get("trial") == rows[0].trial else None


def confirmations(study: Study) -> list[Confirmation]:
    """What was run again on fresh seeds, best first, as summary.json tells it; [] where nothing was."""
    rows = study.summary.get("confirmed")
    read = [read_confirmation(row) for row in rows] if isinstance(rows, list) else []
    return [row for row in read if row is not None]


def confirmation_runs(index: RunIndex, study: str) -> list[Card]:
    """The runs that repeat a study's best settings on fresh seeds, by trial and seed."""
    cards = [card for card in index.runs() if card.study == study and isinstance(card.confirms, int)]
    return sorted(cards, key=lambda card: (card.confirms or 0, card.seed if isinstance(card.seed, int) else 0))


def findings(study: Study) -> dict[str, list[str]]:
    """What the sweep said in the end, in sentences under headings: what the data support, and what they do not."""
    by_heading = {}
    for key, heading in HEADINGS.items():
        lines = study.summary.get(key)
        lines = [lines] if isinstance(lines, str) else lines if isinstance(lines, list) else []
        if sentences := [line for line in lines if isinstance(line, str) and line]:
            by_heading[heading] = sentences
    return by_heading


def how_many(study: Study) -> str:
    """How many trials of each state a study has, in words."""
    counts = Counter(trial.state for trial in study.trials)
    return ", ".join(f"{count} {state}" for state, count in counts.items())
