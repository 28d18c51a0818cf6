"""Compare studies, or any groups of runs: means on the test part over seeds, and which of them clearly differ.

python -m sweeps.compare digits-s0 digits-s1             # what each of two studies came to
python -m sweeps.compare digits-s0 --by cell             # the best of each cell in one study
python -m sweeps.compare 'digits-s*' --by cell           # of any runs, by a pattern of their names
python -m sweeps.compare digits-s0:cell=lstm digits-s0:cell=gru
python -m sweeps.compare digits-s0                       # what was run again on fresh seeds in it
"""

import dataclasses
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any

import tyro

from rnnkit.core import RunsOptions, UserError, cli, wording
from sweeps.analysis import comparing, page, words
from sweeps.reading import Card, RunIndex, configurations, groups, plain


@dataclass(frozen=True)
class Options(RunsOptions):
    """What is compared, and by what."""

    names: Annotated[list[str], tyro.conf.Positional] = field(default_factory=list)
    """Studies, runs, or patterns of runs' names; with a colon and settings, only runs that have these."""
    by: str = ""
    """Settings to group by, as in cell,depth: of each group, the best configuration on the validation part."""
    metric: str | None = None
    """What is compared, as accuracy (on the test part) or metric/accuracy/valid; by default what runs are judged by."""
    json: bool = False
    """The same as JSON, with every pair."""


def chosen_metric(index: RunIndex, found: list[comparing.Group], asked: str | None) -> str:
    """The metric that groups are compared by: the one asked for, or the one that all are judged by, on the test part.

    Raises `UserError` where there is none that all have.
    """
    cards = [index.run(group.runs[0]) for group in found]
    metric = groups.metric_of(asked) if asked else _judged_by(cards)
    for group in found:
        if metric not in group.scores:
            known = comparing.shared(found)
            choose = f"choose one with --metric: {', '.join(known)}" if known else "they have no score in common"
            raise UserError(f"not all runs of {group.name} have a {wording.metric(metric)}; {choose}")
    return metric


def _judged_by(cards: list[Card]) -> str:
    """The test score of what runs are judged by. Raises `UserError` where some are judged otherwise than others."""
    if unknown := [card.name for card in cards if not card.metric]:
        raise UserError(f"what {unknown[0]} is judged by is not known: name a score with --metric")
    judged = {card.metric: card for card in cards}
    if len(judged) > 1:
        each = " and ".join(f"{card.experiment} by {wording.without_split(metric)}" for metric, card in judged.items())
        raise UserError(f"these are judged differently, {each}: name one with --metric")
    return cards[0].metric.removesuffix("/valid") + "/test"


def lines(found: comparing.Compared, compared: list[comparing.Group], said: list[str]) -> list[str]:
    """A comparison as lines to print."""
    by_name = {group.name: group for group in compared}
    better = "lower" if found.lower_is_better else "higher"
    unit = f", {found.unit}" if found.unit else ""
    rows = [["group", "mean", "sd", "95 % interval over seeds", "seeds", "parameters"]]
    for mean in found.means:
        size = by_name[mean.group].parameters
        spread = "" if mean.spread is None else f"{wording.number(mean.spread)}"
        ends = f"{wording.number(mean.mean)}", spread, words.interval_or_why(mean), str(mean.count)
        rows.append([mean.group, *ends, "" if size is None else f"{size:,}"])
    printed = [f"{wording.capital(wording.metric(found.metric))}{unit}; {better} is better", ""]
    printed += [*page.aligned(rows), "", *said, *comparing.in_words(found, compared), ""]
    for mean in found.means:
        group = by_name[mean.group]
        printed.append(f"{group.name}{f' ({group.chosen})' if group.chosen else ''}:")
        printed += [f"  {words.runs_in_words(group.runs)}", *(f"  again: {command}" for command in group.commands)]
    return printed


def facts(found: comparing.Compared, compared: list[comparing.Group], said: list[str]) -> dict[str, Any]:
    """A comparison as JSON holds it."""
    sentences = [*said, *comparing.in_words(found, compared)]
    return {"format": 1, **dataclasses.asdict(found), "groups": compared, "sentences": sentences}


def main() -> None:
    """Print the comparison that the command line asks for."""
    options = cli.parse(Options, "python -m sweeps.compare", sys.argv[1:], __doc__)
    if not options.names:
        raise UserError("name studies or runs to compare, as in: python -m sweeps.compare digits-s0 digits-s1")
    index = RunIndex(options.runs_dir)
    found = groups.groups(index, options.names, groups.names(options.by))
    if len(found) < 2:
        how = "split it by another setting" if options.by else "split it by a setting, as with --by depth"
        raise UserError(f"{found[0].name} is one group alone: name another beside it, or {how}")
    metric = chosen_metric(index, found, options.metric)
    compared = comparing.compared(
        found, metric, configurations.lower_is_better(index, metric, index.run(found[0].runs[0]))
    )
    said = groups.warnings(index, found)
    if options.json:
        print(plain.as_json(facts(compared, found, said)))
    else:
        print("\n".join(map(wording.printable, lines(compared, found, said))))


if __name__ == "__main__":
    cli.main(main, settle=False, prints=True)
