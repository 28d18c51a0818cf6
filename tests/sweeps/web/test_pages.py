"""The dashboard in a real browser: charts are drawn, tables sort and filter, pages follow what runs."""

import fcntl
import json
import shutil

import pytest

from rnnkit.core import files
from sweeps.reading.run_index import RunIndex
from sweeps.web import app
from tests import browser
from tests.sweeps import made
from tests.sweeps.conftest import serving


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium(browser.needed()) as found:
        yield found


@pytest.fixture
def look(chromium, port):
    """Opens pages; at the end, nothing went wrong in them, and nothing was asked of another machine."""
    opened = []

    def open_page(path, theme="light", at=port, size=(1400, 900)):
        opened.append(browser.Window(chromium, f"http://127.0.0.1:{at}", theme, size))
        opened[-1].open(path)
        return opened[-1]

    yield open_page
    for watched in opened:
        left, errors = watched.left_the_machine(), watched.errors
        watched.close()
        assert left == []
        assert errors == []


def settled(page):
    """Wait until the rows that were asked for are there."""
    page.wait_for_selector("form.filters:not([data-busy])", state="attached")


def column(page, table, name):
    """The texts of a column of the rows that are shown."""
    settled(page)
    heads = [head.strip() for head in page.locator(f"#{table} thead th").all_inner_texts()]
    return page.locator(f"#{table} tbody tr:not([hidden]) td:nth-child({heads.index(name) + 1})").all_inner_texts()


def test_the_list_filters_and_sorts(kinds, look):
    page = look("/").page
    cards = RunIndex(kinds[0]).runs()
    assert column(page, "runs", "run") == [card.name for card in cards]
    page.get_by_label("state").select_option("pruned")
    assert column(page, "runs", "run") == [card.name for card in cards if card.state == "pruned"]
    page.get_by_label("state").select_option("")
    page.get_by_label("study").first.select_option("small")
    page.get_by_label("find").fill("DIVERGED digits")
    assert column(page, "runs", "run") == [c.name for c in cards if c.study == "small" and c.state == "diverged"]
    settled(page)
    assert page.locator("[data-count]").inner_text() == f"1 of {len(cards)}"
    page.get_by_label("find").fill("")
    page.get_by_label("study").first.select_option("")
    page.locator("#runs th", has_text="validation").click()
    values = [float(text) for text in column(page, "runs", "validation") if text]
    assert values == sorted(values, reverse=True)
    assert len(values) > 10
    page.locator("#runs th", has_text="validation").click()
    shown = column(page, "runs", "validation")
    assert [float(text) for text in shown if text] == sorted(values)
    assert shown[-1] == ""  # what has no value comes last


def test_hundreds_of_runs_are_laid_out_as_they_are_asked_for(tmp_path, look):
    name = made.run(tmp_path, steps=1)
    for i in range(260):
        shutil.copytree(name, tmp_path / f"digits-s{i}-copied")
    with serving(tmp_path) as at:
        page = look("/", at=at).page
        assert page.locator("#runs tbody tr:visible").count() == 200
        assert page.locator("[data-count]").inner_text() == "261 of 261, the first 200 are shown"
        box = page.get_by_label("choose digits-s99-copied", exact=True)
        box.check()
        page.get_by_label("find").fill("s1")
        settled(page)
        assert not box.count()
        found = {name.parent.name for name in tmp_path.glob("*s1*/manifest.json")}
        assert set(column(page, "runs", "run")) == found
        assert len(found) > 100
        page.get_by_label("find").fill("")
        settled(page)
        assert box.is_checked()  # though its row was not there in between
        page.get_by_role("button", name="show all").click()
        settled(page)
        assert page.locator("#runs tbody tr:visible").count() == 261
        page.locator("#runs th", has_text="seed").click()
        page.reload()  # what was asked for stands in the address, and is asked for again
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.locator("#runs tbody tr:visible").count() == 261
        assert page.locator("#runs th[aria-sort=descending]").inner_text() == "seed"


def test_a_runs_charts_are_drawn(kinds, look):
    """As many curves as Plotly was given, with their titles."""
    address = app.run_link(kinds[1]["flagged"].name)
    watched = look(address)
    count = watched.draw_all()
    charts = watched.page.evaluate(
        "(address) => fetch(`${address}/charts.json`).then((answer) => answer.json())", address
    )
    expected = [chart for section in charts for chart in section["charts"]]
    assert count == len(expected) > 12
    for chart in expected:
        element = watched.page.locator(f'.chart[data-chart="{chart["key"]}"]')
        titles = [element.locator(f".{kind}title").text_content() for kind in "gxy"]
        layout = chart["layout"]
        assert titles == [chart["name"], layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]]
        curves = sum(any(y is not None for y in t["y"]) for t in chart["data"] if t["type"] == "scatter")
        assert element.locator(".scatterlayer .trace").count() == curves
        if chart["data"][0]["type"] == "heatmap":
            assert element.locator(".heatmaplayer image").count() == 1


def test_all_charts_are_drawn_in_print(kinds, look):
    page = look(app.run_link(kinds[1]["finished"].name)).page
    assert page.locator(".chart:not([data-drawn])").count() > 3  # they lie below the first screen
    page.pdf()
    page.wait_for_function("() => !document.querySelector('.chart:not([data-drawn])')")


def brightness(page, element, what):
    """Of a colour of the page's, from 0 to 765."""
    colour = page.evaluate("([e, w]) => getComputedStyle(document.querySelector(e))[w]", [element, what])
    return sum(map(int, colour[4:-1].split(",")))


def test_the_theme_is_the_systems_or_the_one_that_was_chosen(look):
    watched = look("/studies/empty", "dark")
    page = watched.page
    assert brightness(page, "body", "backgroundColor") < 200
    page.get_by_label("theme").select_option("light")
    watched.open("/studies/small")
    assert brightness(page, "body", "backgroundColor") > 600
    page.locator('[data-chart="history"][data-drawn]').wait_for()
    assert brightness(page, ".gtitle", "fill") < 200
    page.get_by_label("theme").select_option("dark")
    assert brightness(page, "body", "backgroundColor") < 200
    page.wait_for_function("() => parseInt(getComputedStyle(document.querySelector('.gtitle')).fill.slice(4)) > 150")


def test_a_studys_charts_are_drawn_and_follow_the_tables_filter(look):
    watched = look("/studies/small")
    page = watched.page
    assert watched.draw_all() == 6
    assert page.locator('[data-chart="plane"] .heatmaplayer image').count() == 1
    assert page.locator('[data-chart="importances"] .barlayer .point').count() > 1
    assert page.locator('[data-chart="timeline"] .barlayer .point').count() == 10
    lines = page.locator('[data-chart="parallel"] .scatterlayer .trace')
    assert lines.count() == 11  # 10 trials, and what carries the scale
    page.get_by_label("state").select_option("finished")
    assert column(page, "trials", "trial") == ["0", "1", "2", "3", "4"]
    page.wait_for_function("() => document.querySelectorAll('[data-chart=parallel] .scatterlayer .trace').length == 6")
    page.locator("#trials th", has_text="validation accuracy").click()
    assert column(page, "trials", "trial") == ["4", "3", "2", "1", "0"]
    page.get_by_label("state").select_option("")
    page.wait_for_function("() => document.querySelectorAll('[data-chart=parallel] .scatterlayer .trace').length == 11")


def test_chosen_runs_are_laid_over_each_other(kinds, look):
    watched = look("/")
    page = watched.page
    assert page.locator("#compare").is_disabled()
    for name in (names := [kinds[1][kind].name for kind in ("finished", "pruned", "diverged")]):
        page.get_by_label(f"choose {name}", exact=True).check()
    page.locator("#compare").click()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.locator('[data-chart="grad_norm/total"]').scroll_into_view_if_needed()
    page.locator('[data-chart="grad_norm/total"][data-drawn]').wait_for()
    assert page.locator('[data-chart="grad_norm/total"] .scatterlayer .trace').count() == 3
    keys = page.locator("button[data-hue]")
    assert [text.split(" ")[0] for text in keys.all_inner_texts()] == [
        card.name for card in RunIndex(kinds[0]).runs() if card.name in names
    ]
    curves = page.locator('[data-chart="grad_norm/total"] .scatterlayer .trace path.js-line')
    drawn = curves.evaluate_all("(all) => all.map((one) => getComputedStyle(one).stroke)")
    samples = keys.locator("line").evaluate_all("(all) => all.map((one) => getComputedStyle(one).stroke)")
    assert samples == drawn
    assert len(set(drawn)) == 3
    keys.nth(1).click()  # hides a run in all charts, and shows it again
    page.wait_for_function("() => document.querySelectorAll('[data-chart=\"grad_norm/total\"] .trace').length == 2")
    keys.nth(1).click()
    page.wait_for_function("() => document.querySelectorAll('[data-chart=\"grad_norm/total\"] .trace').length == 3")


def test_what_is_more_than_some_screens_is_folded_until_it_is_wanted(kinds, look, monkeypatch):
    monkeypatch.setattr(app, "MOST_OPEN", 4)
    page = look(f"/compare?run={kinds[1]['finished'].name}").page
    gradients = '[data-chart="grad_norm/total"]'
    assert page.locator("section > h2").all_inner_texts() == ["Learning"]
    assert page.locator("details[open]").count() == 0
    page.locator("#finder nav a").filter(has_text="Gradients").click()
    page.locator(f"{gradients}[data-drawn]").wait_for()
    page.get_by_label("charts").fill("horizon")
    page.locator('[data-chart="memory/encoder.l0.f/horizon"][data-drawn]').wait_for()
    assert page.locator(gradients).is_hidden()


def test_a_printed_page_has_all_its_charts_within_the_width_of_a_sheet_and_is_light(kinds, look):
    page = look(f"/compare?run={kinds[1]['finished'].name}", "dark").page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("() => !document.querySelector('.chart:not([data-drawn])')")
    assert max(page.locator(".chart .main-svg").evaluate_all("(all) => all.map((one) => one.clientWidth)")) < 350
    assert brightness(page, "body", "backgroundColor") > 600 > 200 > brightness(page, ".gtitle", "fill")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert brightness(page, "body", "backgroundColor") < 200
    assert page.locator("main").bounding_box()["width"] > 1000


def test_charts_are_found_by_words_and_sections_by_links(kinds, look):
    page = look(app.run_link(kinds[1]["flagged"].name)).page
    nav = page.locator("#finder nav a")
    assert nav.all_inner_texts()[:2] == ["Learning", "Gradients"]
    assert nav.all_inner_texts()[-3:] == ["Again", "Settings", "Manifest"]
    every = page.locator(".chart:visible").count()
    page.get_by_label("charts").fill("GRADIENT before")
    shown = page.locator(".chart:visible").evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    assert 1 < len(shown) < every
    assert all("radient" in title and "before" in title for title in shown)
    assert "Learning" not in nav.all_inner_texts()
    page.get_by_label("theme").select_option("dark")  # draws all anew, but what is out of sight
    page.get_by_label("charts").fill("")
    assert page.locator(".chart:visible").count() == every
    loss = page.locator('.chart[data-chart="loss"][data-drawn]')
    loss.wait_for()
    assert loss.locator(".main-svg").first.bounding_box()["width"] > 400
    nav.filter(has_text="Manifest").click()
    page.wait_for_function("() => document.querySelector('main').getBoundingClientRect().top < -500")


def test_a_narrow_window_cuts_nothing_off(kinds, look):
    """No page is wider than the window; long titles break, and what needs more room scrolls inside of its card."""
    for path in ("/", "/studies/small", app.run_link(kinds[1]["flagged"].name)):
        watched = look(path, size=(400, 800))
        watched.draw_all()
        page = watched.page
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        for chart in page.locator(".chart:not(.wide)").all():
            box, title = chart.bounding_box(), chart.locator(".gtitle").bounding_box()
            assert box["x"] <= title["x"]
            assert title["x"] + title["width"] <= box["x"] + box["width"]
            assert title["y"] >= box["y"]


def test_every_kind_of_run_and_study_opens(kinds, look):
    """Broken, half-written, hostile: nothing in the console, and no name was taken for a tag."""
    studies = [app.study_link(name) for name in ("torn", made.HOSTILE)]
    runs = [app.run_link(kinds[1][kind].name) for kind in ("no result", "no manifest", "torn", "live", "hostile")]
    watched = look("/studies/empty")
    for path in ["/", *studies, *runs, f"/compare?run={app.quote(made.HOSTILE)}"]:
        watched.open(path)
        if path in (app.run_link(made.HOSTILE), app.run_link(kinds[1]["torn"].name)):
            watched.draw_all()
        assert watched.page.title() != "broken into"
        assert watched.page.locator("main img[src='x'], .chart img").count() == 0
        assert watched.page.locator("#status").inner_text() in ("", "live")
    assert made.HOSTILE in watched.page.locator("main").inner_text()


def test_a_page_that_does_not_exist_says_so(chromium, port):
    watched = browser.Window(chromium, f"http://127.0.0.1:{port}")
    watched.open("/runs/nobody")
    assert watched.page.locator("main").inner_text().startswith("Not there\n\nthere is no run nobody")
    watched.close()


def test_pages_follow_a_run_and_a_study_while_they_go_on(tmp_path, look):
    folder = made.run(tmp_path, "interrupted", steps=5)
    (folder / "result.json").unlink()
    made.new_study(tmp_path)
    with (folder / "lock").open("w") as lock, serving(tmp_path) as at:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run, runs = look(app.run_link(folder.name), at=at), look("/", at=at)
        assert run.page.locator("#status").inner_text() == "live"
        run.page.locator('[data-chart="loss"][data-drawn]').wait_for()
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": 6, **made.row(10)}) + "\n")
        run.page.wait_for_function("() => document.querySelector('[data-chart=loss]').data[0].x.length == 6")
        run.page.locator('[data-chart="metric-accuracy"]').wait_for()
        run.page.get_by_text("6 steps").wait_for()

        files.write_json(
            folder / "result.json", {"run": "", "status": "finished", "step": 6, "seconds": 1.0, "metrics": {}}
        )
        runs.page.locator("#runs .state[data-state=finished]").wait_for()
        run.page.locator(".state[data-state=finished]").wait_for()
        run.page.wait_for_function("() => document.getElementById('status').textContent == ''")
