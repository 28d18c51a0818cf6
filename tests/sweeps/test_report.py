"""The report of a study: one file that says all of it, opens offline, and runs nothing."""

import html
import re
import shutil
from xml.etree import ElementTree

import matplotlib.image
import pytest

from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs.manifest import Membership
from sweeps import report
from sweeps.reading import studies
from sweeps.reading.run_index import RunIndex
from tests import browser
from tests.sweeps import made


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A study whose best was run again, with a name in it that holds tags, and the path of its report."""
    runs = tmp_path_factory.mktemp("report") / "runs"
    made.study(runs)
    made.summary(runs)
    fresh = made.run(runs, seed=500, steps=10, member=Membership("small"))
    manifest = files.read_json(fresh / "manifest.json")
    files.write_json(fresh / "manifest.json", manifest | {"confirms": 3})
    best = studies.read(RunIndex(runs), "small").best.run.folder
    result = files.read_json(best / "result.json")
    result["flags"] = [{"name": made.HOSTILE, "where": "", "value": 1.0, "threshold": 1.0, "advice": ""}]
    files.write_json(best / "result.json", result)
    return runs, report.write(RunIndex(runs), "small")


def test_it_says_question_answer_and_how_each_run_is_had_again(written):
    runs, path = written
    page = html.unescape(re.sub(r"<[^>]+>", " ", path.read_text()))
    said = " ".join(page.split())
    for sentence in (
        "Handwritten digits, read as sequences of inked pixels",
        "Judged by validation accuracy, higher is better.",
        "every pair of hidden size 8, 16, 32, 64 and depth 1, 2, 3",
        "Best: trial 3's settings, validation accuracy 0.6800 as the mean of 3 runs on fresh seeds, 95 % interval 0.66",
        "Test accuracy 0.6700 as the mean of the same 3 runs.",
        "Wider is not clearly better.",
        "5 finished, 1 pruned, 1 diverged, 1 failed, 1 cut off, 1 stopped, 1 waiting",
        "diverged (diverged: it diverged)",
    ):
        assert sentence in said, sentence
    index = RunIndex(runs)
    study = studies.read(index, "small")
    best = study.best.run.name  # the trial that the answer names, not the one with the highest value
    assert index.manifest(best)["command"] in said
    assert index.manifest(best)["git"]["commit"] in said
    for card in index.runs():
        assert card.name in said
        assert str(card.seed) in said


def test_it_needs_nothing_and_runs_nothing(written):
    text = written[1].read_text()
    tags = " ".join(re.findall(r"<[a-z][^>]*>", text))
    sources = re.findall(r'(?:src|href|action|data|url)\s*[=(]\s*["\']?([^"\')\s>]+)', tags)
    assert len(sources) >= 5
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"<script|<iframe|<object|<link|@import|\son\w+\s*=\s*\"", text)
    assert "<b>here</b>" not in text
    assert "<img src=x" not in text
    assert html.escape(made.HOSTILE).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text


def test_every_figure_lies_beside_it_as_png_and_svg(written):
    folder = written[1].parent / "report"
    names = {path.stem for path in folder.glob("*.png")}
    assert names == {"plane", "history", "again", "importances", "reported", "curves"}
    assert names == {path.stem for path in folder.glob("*.svg")}
    for name in names:
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")
        image = matplotlib.image.imread(folder / f"{name}.png")
        assert image.shape[1] > 1_000
        assert image[..., :3].std() > 0.02  # something is drawn


def test_figures_of_before_go(written, tmp_path):
    runs = shutil.copytree(written[0], tmp_path / "runs")
    (runs / "studies" / "small" / "summary.json").unlink()
    report.write(RunIndex(runs), "small")
    assert not (runs / "studies" / "small" / "report" / "again.svg").exists()
    said = (runs / "studies" / "small" / "report.html").read_text()
    assert "Best: trial 4, validation accuracy 0.7000 in its one run" in said


def test_it_opens_offline_in_a_browser_and_prints(written):
    with browser.chromium(browser.needed()) as chromium:
        watched = browser.Window(chromium, "")
        watched.page.goto(written[1].as_uri())
        figures = watched.page.locator("figure img")
        assert figures.count() == 6
        assert all(figures.evaluate_all("(all) => all.map((one) => one.complete && one.naturalWidth > 100)"))
        assert {url.split(":")[0] for url in watched.requests} <= {"file", "data"}
        assert len([url for url in watched.requests if url.startswith("file")]) == 1
        assert watched.errors == []
        paper = watched.page.pdf(format="A4", prefer_css_page_size=True)
        assert 2 <= len(re.findall(rb"/Type\s*/Page[^s]", paper)) <= 8
        watched.close()


def test_a_study_without_trials_is_one_line(kinds):
    for name in ("empty", "torn"):
        with pytest.raises(UserError, match=f"study {name} has no trials yet"):
            report.write(RunIndex(kinds[0]), name)
    with pytest.raises(UserError, match="there is no study nope"):
        report.write(RunIndex(kinds[0]), "nope")


def test_a_study_in_which_nothing_finished_has_a_report(tmp_path):
    found = made.new_study(tmp_path)
    found.enqueue_trial({"depth": 1})
    found.ask()
    text = report.write(RunIndex(tmp_path), "small").read_text()
    assert "No trial has finished yet." in text
    assert "No trial came to anything that could be drawn." in text


def test_what_the_best_run_answered_stands_in_it_with_its_pictures(written, tmp_path):
    runs = shutil.copytree(written[0], tmp_path / "runs")
    run = runs / studies.read(RunIndex(runs), "small").best.run.name
    (run / "answer.txt").write_text("never answered: '<b>ill</b>'\n")
    (run / "media").mkdir(exist_ok=True)
    shutil.copy(runs / "studies" / "small" / "report" / "plane.png", run / "media" / "confusion.png")
    report.write(RunIndex(runs), "small")
    text = (runs / "studies" / "small" / "report.html").read_text()
    assert "never answered: &#39;&lt;b&gt;ill&lt;/b&gt;&#39;" in text
    assert text.count("data:image/png;base64,") == 1
    assert "Answers over truths of the test part, by the run of trial 3." in " ".join(text.split())
    assert "confusion.svg" not in text
