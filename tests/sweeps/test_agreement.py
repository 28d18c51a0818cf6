"""Summary, report, dashboard, lists and W&B say the same of a study, figure by figure."""

import html
import re

import pytest
from starlette.requests import Request

from rnnkit.core import wording
from sweeps import report
from sweeps.analysis import summary as writing
from sweeps.analysis import words
from sweeps.reading import RunIndex, describe, studies
from sweeps.wandb_sync import study_run
from sweeps.web import app
from tests.sweeps.analysis.test_summary import AGAIN, told


FOUND = (0.1, 0.3, 0.9, 0.2, 0.85, 0.4)


def plain(page):
    """The words of a page of HTML."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A study, the best of which were run again: its index, its summary, and what shows it."""
    study = told(tmp_path_factory.mktemp("agreement"), FOUND, AGAIN, confirm=(2, 3), sampler="random")
    printed = writing.write(study)
    index = RunIndex(study.folder.base.runs_dir)
    scope = {"type": "http", "query_string": b"", "path_params": {"name": "small"}}
    asked, dashboard = Request(scope), app.Pages(index)
    pages = {
        "terminal": printed,
        "summary.md": (study.folder.path / "summary.md").read_text(),
        "report": plain(report.write(index, "small").read_text()),
        "dashboard": plain(dashboard.study(asked).body.decode()),
        "W&B": "\n".join(map(str, study_run.figures(studies.read(index, "small").summary).values())),
    }
    return index, studies.read(index, "small").summary, pages, plain(dashboard.overview(asked).body.decode())


def test_all_have_the_same_answer_and_name_its_runs(shown):
    _, summary, pages, _ = shown
    answer = [words.best_in_words(summary, summary.best), *words.test_in_words(summary, summary.best)]
    for name, page in pages.items():
        for line in answer:
            assert line[1:] in page, (name, line)
        for run in summary.best.runs:
            assert run in page, (name, run)


def test_all_have_the_same_sentences_on_what_is_supported(shown):
    _, summary, pages, _ = shown
    assert summary.supported
    assert summary.not_supported or summary.borders
    for name, page in pages.items():
        for line in [*summary.supported, *summary.not_supported, *summary.borders]:
            assert line in page, (name, line)


def test_all_have_the_same_minutes(shown):
    _, summary, pages, _ = shown
    for name in ("terminal", "summary.md", "report", "dashboard"):
        assert words.headline(summary)[1:] in pages[name], name
    assert {str(summary.minutes), str(summary.cost_minutes)} <= set(pages["W&B"].splitlines())


def test_all_have_the_same_means_intervals_and_test_scores_on_fresh_seeds(shown):
    index, summary, pages, _ = shown
    table = study_run.tables(summary)["again"]
    for place, row in enumerate(summary.confirmations):
        figures = [wording.number(row.found), wording.number(row.mean), row.interval]
        figures += [wording.number(mean.mean) for mean in row.test.values()]
        for name in ("terminal", "summary.md", "report", "dashboard"):
            for figure in figures:
                assert figure in pages[name], (name, row.trial, figure)
        sent = dict(zip(table.columns, table.data[place], strict=True))
        assert (sent["found"], sent["mean"], sent["low"], sent["high"]) == (row.found, row.mean, row.low, row.high)
        assert sent["metric/accuracy/test"] == row.test["metric/accuracy/test"].mean
        assert sent["runs"].split(", ") == row.runs


def test_all_have_the_same_times_of_trials(shown):
    index, summary, pages, _ = shown
    for row in summary.rows:
        assert row.seconds == index.run(row.run).seconds
        for name in ("summary.md", "report", "dashboard"):
            assert wording.seconds(row.seconds) in pages[name]


def test_the_list_of_studies_names_the_same_best(shown):
    index, summary, _, overview = shown
    line = describe.study_line(index, "small", index.runs())
    assert (line.value, line.best.trial, line.of) == (summary.best.value, summary.best.trial, "mean of 3 fresh")
    assert f"{wording.number(summary.best.value)} (mean of 3 fresh)" in overview


def test_without_a_summary_the_same_is_said_from_the_trials(shown):
    """But for what only the sweep knows: what lies on a border, and what depends on timing."""
    index, summary, _, _ = shown
    path = index.study("small") / "summary.json"
    kept = path.read_bytes()
    path.unlink()
    try:
        found = studies.read(RunIndex(index.root), "small").summary
    finally:
        path.write_bytes(kept)
    for name in ("confirmations", "others", "supported", "not_supported", "plane", "trials", "minutes", "cost_minutes"):
        assert getattr(found, name) == getattr(summary, name), name
    assert (found.best.value, found.best.runs, found.best.test) == (
        summary.best.value,
        summary.best.runs,
        summary.best.test,
    )
