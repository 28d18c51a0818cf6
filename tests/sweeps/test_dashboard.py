"""What the dashboard answers: every page, and nothing to those who should get nothing."""

import html
import http.client
import json
import os
import random
import re
import shutil
import socket
import string
from pathlib import Path
from types import SimpleNamespace

import pytest

from rnnkit.core.errors import UserError
from sweeps import dashboard
from sweeps.reading.run_index import RunIndex
from sweeps.web import app
from tests.sweeps import made


class Client:
    """Asks the dashboard over one connection, with paths and headers just as they are given."""

    def __init__(self, port):
        self.own = f"127.0.0.1:{port}"
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def get(self, path, method="GET", **headers):
        self.connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in ({"host": self.own} | headers).items():
            self.connection.putheader(name.replace("_", "-"), value)
        self.connection.endheaders()
        answer = self.connection.getresponse()
        answer.content = answer.read()
        answer.text = answer.content.decode(errors="replace")
        if answer.will_close:
            self.connection.close()
        return answer


@pytest.fixture(scope="module")
def client(port):
    found = Client(port)
    yield found
    found.connection.close()


def addresses(kinds):
    runs = [app.run_link(folder.name) for folder in kinds[1].values()]
    studies = [app.study_link(name) for name in ("small", "torn", "empty", made.HOSTILE)]
    both = "&".join(f"run={link.removeprefix('/runs/')}" for link in runs)
    return ["/", *runs, *studies, f"/compare?{both}", "/compare", "/compare?run=nobody"]


def test_every_page_and_its_charts_come(kinds, client):
    for address in addresses(kinds):
        page = client.get(address)
        assert page.status == 200, address
        assert page.headers["content-type"].startswith("text/html")
        if 'id="charts"' in page.text:
            path, _, query = address.partition("?")
            found = client.get(f"{path}/charts.json?{query}")
            assert found.status == 200, address
            json.loads(found.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_no_picture_is_too_large_to_be_refused(kinds, client):
    """A file of 30 GB that takes no room, and a pipe, which would never end."""
    media = kinds[1]["stopped"] / "media"
    media.mkdir()
    try:
        with (media / "huge.png").open("wb") as file:
            file.truncate(30 << 30)
        os.mkfifo(media / "pipe.png")
        address = app.run_link(kinds[1]["stopped"].name)
        assert "larger than 64 MiB" in client.get(f"{address}/media/huge.png").text
        assert client.get(f"{address}/media/pipe.png").status == 404
    finally:
        shutil.rmtree(media)


def test_the_list_says_what_each_run_is(kinds, client):
    page = client.get("/").text
    rows = re.findall(r'<tr data-state="([^"]+)".*?value="([^"]*)"', page, flags=re.S)
    states = {html.unescape(name): state for state, name in rows}
    index = RunIndex(kinds[0])
    assert states == {card.name: card.state for card in index.runs()}
    assert "result.json is damaged" in page


def test_a_runs_page_says_all_of_it(kinds, client):
    page = html.unescape(client.get(app.run_link(kinds[1]["flagged"].name)).text)
    for said in (
        "too hot: encoder.l0.f/ih 0.02, head inf; threshold 0.01. Lower --learning-rate.",
        "logistic regression on the same 360 test examples: 0.9694; difference -0.0100",
        "accuracy (test)",
        "0.9050",
        f"make reproduce RUN={kinds[1]['flagged'].name}",
        "python -m experiments.digits --seed 5 --cell lstm",
        "prompt 'a', temperature 0.5, seed 0",
        "once <b>upon</b> a time",
        "-0.1235, -1",
        "media/timescales.png",
    ):
        assert said in page
    assert "make resume RUN=digits-s0-killed" in client.get("/runs/digits-s0-killed").text
    assert "3 damaged rows" in client.get("/runs/digits-s0-torn").text


def test_a_runs_page_has_its_answers_as_text(kinds, client):
    folder = kinds[1]["flagged"]
    (folder / "answer.txt").write_text("largest confusions: '<b>' as 'b' 3 times\n")
    assert "<pre>largest confusions: &#39;&lt;b&gt;&#39; as" in client.get(app.run_link(folder.name)).text


def test_pictures_come_and_nothing_else_of_a_run(kinds, client):
    folder = kinds[1]["flagged"]
    picture = client.get(f"/runs/{folder.name}/media/timescales.png")
    assert picture.content == (folder / "media" / "timescales.png").read_bytes()
    assert picture.headers["content-type"] == "image/png"
    for name in ("secret.png", "samples.jsonl", "dynamics.json", "..%2fmanifest.json", "%2e%2e%2fmanifest.json"):
        assert client.get(f"/runs/{folder.name}/media/{name}").status == 404


def test_names_with_tags_are_text_everywhere(kinds, client):
    """Also in the data of charts, which Plotly reads."""
    for address in [*addresses(kinds), f"/runs/{app.quote(made.HOSTILE)}x"]:
        page = client.get(address).text
        assert "<img src=x" not in page, address
        assert "<b>x</b>" not in page
    assert "&lt;img src=x" in client.get("/").text
    charts = client.get(f"{app.run_link(made.HOSTILE)}/charts.json")
    assert charts.headers["content-type"] == "application/json"
    for section in json.loads(charts.text):
        for chart in section["charts"]:
            assert "<img" not in json.dumps([chart["data"], chart["layout"]])


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "localhost.evil.example:8642", "0.0.0.0:8642", ""]
    + [
        "127.0.0.1:8642@evil.example",
        "evil.example#127.0.0.1:8642",
        "127.0.0.1:",
        "127.0.0.2:8642",
        "localhost:x",
        "[::2]",
    ],
)
def test_a_foreign_host_is_refused(client, host):
    for address in ("/", "/static/page.js", "/runs/digits-s0-killed/charts.json"):
        assert client.get(address, host=host).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:8642", "localhost", "[::1]:8642", "LOCALHOST:9999"])
def test_this_machines_own_names_are_answered(client, host):
    """Whatever the port: that of a tunnel is another."""
    assert client.get("/", host=host).status == 200
    assert client.get("/", host=host, origin=f"http://{host}").status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://127.0.0.1:8642",
        "http://127.0.0.1:1",
        "null",
        "file://",
        "http://localhost:8642",
        "",
    ],
)
def test_a_foreign_origin_is_refused(client, origin):
    assert client.get("/", origin=origin).status == 403


def test_what_the_browser_says_is_another_sites_is_refused(client):
    for site in ("cross-site", "same-site"):
        for mode in ("no-cors", "cors"):
            assert client.get("/", sec_fetch_site=site, sec_fetch_mode=mode).status == 403
        assert client.get("/", sec_fetch_site=site, sec_fetch_mode="navigate").status == 200
    assert client.get("/", sec_fetch_site="same-origin", sec_fetch_mode="cors").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_can_be_changed(client, method):
    for address in ("/", "/runs/digits-s0-killed", "/static/page.js"):
        assert client.get(address, method).status == 405


def test_every_answer_carries_the_headers_that_protect_pages(client):
    for address in ("/", "/nothing", "/static/page.js", "/runs/digits-s0-killed/charts.json"):
        headers = client.get(address).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert not re.search(r"https?:|\*", headers["content-security-policy"])
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
    assert client.get("/", host="evil.example").headers["x-frame-options"] == "DENY"


def test_no_path_reads_outside_the_runs(kinds, client):
    """100 ways to climb, and 400 that chance finds; whatever is answered, the secrets are not in it."""
    secret = (kinds[0].parent / "outside" / "secret.txt").read_text()
    passwd = Path("/etc/passwd").read_text().splitlines()[0]
    ups = ["..", "%2e%2e", "..%2f", "%2e%2e%2f", "....//", "..\\", "..%5c", "%252e%252e%252f", "..%c0%af", "..;/"]
    targets = ["outside/secret.txt", "etc/passwd", "%2fetc%2fpasswd"]
    starts = ["/", "/static/", "/runs/", "/runs/digits-s9-links/media/", "/studies/"]
    paths = [
        start + (up + "/") * depth + target for start in starts for up in ups for depth in (1, 4) for target in targets
    ]
    chance = random.Random(0)
    letters = [
        "/",
        ".",
        "..",
        "%2f",
        "%00",
        "%",
        "runs",
        "studies",
        "static",
        "media",
        "outside",
        "secret.txt",
        "linked",
        "\\",
    ]
    paths += ["/" + "".join(chance.choices(letters, k=8)) for _ in range(400)]
    paths += ["/runs/linked", "/runs/digits-s9-links", "/runs/digits-s9-links/charts.json", "//etc/passwd", "/runs/%00"]
    answers = 0
    for path in paths:
        answer = client.get(path)
        assert secret not in answer.text
        assert passwd not in answer.text
        answers += answer.status < 500
    assert answers == len(paths) > 500


def test_it_still_answers_after_a_thousand_malformed_requests(client):
    chance = random.Random(1)
    for _ in range(1_000):
        name = "".join(chance.choices(string.printable.strip().replace("\\", ""), k=12))
        assert client.get("/runs/" + app.quote(name, safe="%")).status in (200, 400, 404, 405)
    assert client.get("/").status == 200


def test_at_most_so_many_runs_are_laid_over_each_other(client):
    runs = "&".join(f"run=r{i}" for i in range(1_000))
    assert client.get(f"/compare?{runs}").text.count("there is no run") == app.MOST


def test_only_this_machine_can_connect():
    listener = dashboard.listening(0)
    with listener:
        address, port = listener.getsockname()
        assert address == "127.0.0.1"
        with pytest.raises(UserError, match=rf"cannot listen on port {port} \(.*\): choose another with --port"):
            dashboard.listening(port)
        with socket.socket() as other:  # another of this machine's own addresses
            assert other.connect_ex(("127.0.0.2", port)) != 0


def test_a_missing_framework_is_one_line(kinds, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    with pytest.raises(UserError, match=r"the dashboard needs uvicorn.*\[dashboard\]"):
        dashboard.server(RunIndex(kinds[0]))


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_is_none_is_one_line(port):
    with pytest.raises(UserError, match="--port must be between 0 and 65535"):
        dashboard.Options(port=port)


def test_ctrl_c_ends_it_without_an_error(kinds, monkeypatch, capsys):
    def stopped(sockets):
        sockets[0].close()
        raise KeyboardInterrupt

    monkeypatch.setattr(dashboard, "server", lambda index: SimpleNamespace(run=stopped))
    monkeypatch.setattr("sys.argv", ["dashboard", "--port", "0", "--no-browser", "--runs-dir", str(kinds[0])])
    dashboard.main()
    assert re.match(r"dashboard of .*: http://127\.0\.0\.1:\d+/ \(Ctrl-C ends it\)\n$", capsys.readouterr().out)


def test_a_screen_is_asked_for_before_a_browser(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not dashboard.has_screen()
    monkeypatch.setenv("DISPLAY", ":0")
    assert dashboard.has_screen()
