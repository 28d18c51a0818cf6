"""The dashboard's pages: what a browser on this machine may ask for, and what it gets.

Only GET and HEAD are answered, only under a name of this machine itself, and to no page of somebody else's. A name in
an address is looked up among those that the index lists; no file is opened by it.
"""

import itertools
import json
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnnkit.core import UserError, wording
from sweeps import web
from sweeps.analysis import words
from sweeps.reading import STATES, Card, NotThere, RunIndex, Section, answers, describe, studies
from sweeps.web import listing, run_charts, study_charts


MOST = 24  # runs that are laid over each other
MOST_OPEN = 24  # charts of several runs that are seen without unfolding a section: four screens
MOST_BYTES = 64 << 20  # of a picture; it is sent in pieces
LOCAL = ("127.0.0.1", "localhost", "[::1]")
PLOTLY = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"  # the script comes with the package
STATIC = {path.name: path for path in (PLOTLY, *(web.PAGES / name for name in ("page.js", "charts.js", "style.css")))}
PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "style-src 'self' 'unsafe-inline'; "  # Plotly lays its charts out with styles
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def guarded(app: ASGIApp) -> ASGIApp:
    """Refuses what no page of ours asks for, before anything is looked up, and sends the headers that protect pages.

    A foreign Host is what DNS rebinding comes with; a foreign Origin, or a request that the browser says is from
    another site, is a page of somebody else's. Any port is right: that of an SSH tunnel is another.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = _refused(Request(scope)) if scope["type"] == "http" else None
        await (refused or app)(scope, receive, with_headers)

    return answer


def _refused(request: Request) -> Response | None:
    hosts = request.headers.getlist("host")
    name, colon, port = (hosts or [""])[0].rpartition(":")
    if len(hosts) != 1 or (name if colon and port.isdigit() else hosts[0]).lower() not in LOCAL:
        return PlainTextResponse("this page is for this machine alone", 421)
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{hosts[0]}":
        return PlainTextResponse("no page of another origin may read this", 403)
    site, mode = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
    if site in ("cross-site", "same-site") and mode != "navigate":
        return PlainTextResponse("no page of another site may read this", 403)
    if request.method not in ("GET", "HEAD"):
        return PlainTextResponse("nothing can be changed here", 405, {"allow": "GET, HEAD"})
    return None


def make(index: RunIndex) -> ASGIApp:
    """The dashboard of the runs in an index. Starlette has each endpoint run in a thread."""
    pages = Pages(index)
    routes = [
        Route("/", pages.overview),
        Route("/studies/{name}", pages.study),
        Route("/studies/{name}/charts.json", pages.study_charts),
        Route("/runs/{name}", pages.run),
        Route("/runs/{name}/charts.json", pages.run_charts),
        Route("/runs/{name}/media/{file}", pages.media),
        Route("/compare", pages.compare),
        Route("/compare/charts.json", pages.compare_charts),
        Route("/static/{file}", _static),
    ]
    app = Starlette(routes=routes, exception_handlers={404: pages.missing, UserError: pages.missing})
    app.router.redirect_slashes = False
    return guarded(app)


class Pages:
    """What each address shows."""

    def __init__(self, index: RunIndex) -> None:
        self.index = index
        self.templates = web.templates()
        self.templates.globals |= {"run_link": run_link, "study_link": study_link, "states": STATES}

    def _page(self, template: str, status: int = 200, **values) -> Response:
        return HTMLResponse(self.templates.get_template(template).render(values), status)

    def missing(self, request: Request, error: Exception) -> Response:
        """The answer where there is nothing: a page, or for a page's script a line."""
        if not isinstance(error, UserError):
            return self._page("error.html", 404, message="there is nothing at this address")
        if request.url.path.endswith("/charts.json"):
            return PlainTextResponse(str(error), 404)
        return self._page("error.html", 404, message=str(error))

    def overview(self, request: Request) -> Response:
        """All studies and runs."""
        runs = self.index.runs()
        of_study: dict[str | None, list[Card]] = defaultdict(list)
        for card in runs:
            of_study[card.study].append(card)
        lines = [describe.study_line(self.index, name, of_study[name]) for name in self.index.studies()]
        lines.sort(key=lambda line: line.started.timestamp() if line.started else 0.0, reverse=True)
        found = {"list": listing.listing(runs, request.query_params), "columns": listing.COLUMNS, "studies": lines}
        found |= {"experiments": sorted({card.experiment for card in runs if card.experiment})}
        found |= {"texts": listing.TEXTS}
        return self._page("index.html", **found, live=_live(runs), root=self.index.place)

    def study(self, request: Request) -> Response:
        """One study."""
        study = studies.read(self.index, request.path_params["name"])
        said: dict[str, Any] = {
            "answer": answers.answer(study),
            "findings": answers.findings(study),
        }
        said["headline"] = wording.capital(words.headline(study.summary))
        again: dict[str, Any] = {"confirmations": study.summary.confirmations}
        again["tests"] = words.confirmed_columns(again["confirmations"])
        again["confirmation_runs"] = answers.confirmation_runs(self.index, study.name)
        return self._page("study.html", study=study, live=study.live, **said, **again)

    def study_charts(self, request: Request) -> Response:
        """The charts of one study."""
        study = studies.read(self.index, request.path_params["name"])
        return _json([(Section("Charts", "", ()), study_charts.of_study(study))])

    def run(self, request: Request) -> Response:
        """One run."""
        details = describe.details(self.index, request.path_params["name"])
        return self._page("run.html", run=details, card=details.card, live=_live([details.card]))

    def run_charts(self, request: Request) -> Response:
        """The charts of one run."""
        return _json(run_charts.of_run(self.index, request.path_params["name"]))

    def _chosen(self, request: Request) -> tuple[list[Card], list[str]]:
        """The runs that a request names, in the order of the list, and the names among them that are none."""
        names = list(dict.fromkeys(request.query_params.getlist("run")))[:MOST]
        cards = [card for card in self.index.runs() if card.name in names]
        return cards, [name for name in names if name not in {card.name for card in cards}]

    def compare(self, request: Request) -> Response:
        """Several runs beside each other."""
        cards, unknown = self._chosen(request)
        beside = {"settings": run_charts.differing(cards), "scores": describe.scores(self.index, cards)}
        beside |= {"labels": run_charts.labels(cards), "live": _live(cards)}
        return self._page("compare.html", cards=cards, unknown=unknown, **beside)

    def compare_charts(self, request: Request) -> Response:
        """The charts of several runs, laid over each other."""
        return _json(run_charts.compared(self.index, self._chosen(request)[0]), MOST_OPEN)

    def media(self, request: Request) -> Response:
        """A picture that a run left."""
        path = self.index.media(request.path_params["name"]).get(request.path_params["file"])
        if path is None or path.suffix not in PICTURES:
            raise NotThere("there is no such picture")
        if path.stat().st_size > MOST_BYTES:
            raise NotThere(f"this picture is larger than {MOST_BYTES >> 20} MiB: open {path.name} in its folder")
        return FileResponse(path, media_type=PICTURES[path.suffix])


def _live(cards: list[Card]) -> bool:
    return any(card.state == "running" for card in cards)


def _json(sections: list[tuple[Section, list[dict]]], most: int | None = None) -> Response:
    """Charts by section; where there are more than `most`, sections after the first that go beyond it are folded."""
    counts = itertools.accumulate(len(charts) for _, charts in sections)
    found = [
        {"title": section.title, "says": section.says, "charts": charts, "folded": most is not None and count > most}
        for (section, charts), count in zip(sections, counts, strict=True)
    ]
    return Response(json.dumps(found, allow_nan=False, separators=(",", ":")), media_type="application/json")


def _static(request: Request) -> Response:
    """What pages load."""
    path = STATIC.get(request.path_params["file"])
    if path is None:
        return PlainTextResponse("there is no such file", 404)
    keep = {"cache-control": "max-age=3600"} if path == PLOTLY else {}
    return Response(
        path.read_bytes(), media_type="text/css" if path.suffix == ".css" else "text/javascript", headers=keep
    )


def run_link(name: str) -> str:
    """The address of a run's page."""
    return f"/runs/{quote(name, safe='')}"


def study_link(name: str) -> str:
    """The address of a study's page."""
    return f"/studies/{quote(name, safe='')}"
