"""The dashboard's pages: what a browser on this machine may ask for, and what it gets.

Only GET and HEAD are answered, only under a name of this machine itself, and to no page of somebody else's. A name in
an address is looked up among those that the index lists; no file is opened by it.
"""

import functools
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnnkit.core import UserError, wording
from sweeps.reading import STATES, NotThere, RunIndex, answers, describe, studies
from sweeps.web import run_charts, study_charts


PAGES = Path(__file__).with_name("pages")
MOST = 24  # runs that are laid over each other
LOCAL = ("127.0.0.1", "localhost", "[::1]")
_KINDS = {".png": "image/png", ".svg": "image/svg+xml"}
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


class Guard:
    """Refuses what no page of ours asks for, before anything is looked up, and sends the headers that protect pages.

    A foreign Host is what DNS rebinding comes with; a foreign Origin, or a request that the browser says is from
    another site, is a page of somebody else's. Any port is right: that of an SSH tunnel is another.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refused(Request(scope))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                added = [(k.encode(), v.encode()) for k, v in _HEADERS.items() if k.encode() not in own]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await (refused or self.app)(scope, receive, with_headers)

    @staticmethod
    def _refused(request: Request) -> Response | None:
        host = request.headers.getlist("host")
        if len(host) != 1 or _name(host[0]) not in LOCAL:
            return PlainTextResponse("this page is for this machine alone", 421)
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{host[0]}":
            return PlainTextResponse("no page of another origin may read this", 403)
        site, mode = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-mode")
        if site in ("cross-site", "same-site") and mode != "navigate":
            return PlainTextResponse("no page of another site may read this", 403)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("nothing can be changed here", 405, {"allow": "GET, HEAD"})
        return None


def _name(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and port.isdigit() else host.lower()


def make(index: RunIndex) -> Guard:
    """The dashboard of the runs in an index, as an ASGI application."""
    pages = _Pages(index)
    routes = [
        Route("/", pages.page(pages.overview)),
        Route("/studies/{name}", pages.page(pages.study)),
        Route("/studies/{name}/charts.json", pages.data(pages.study_charts)),
        Route("/runs/{name}", pages.page(pages.run)),
        Route("/runs/{name}/charts.json", pages.data(pages.run_charts)),
        Route("/runs/{name}/media/{file}", pages.media),
        Route("/compare", pages.page(pages.compare)),
        Route("/compare/charts.json", pages.data(pages.compare_charts)),
        Route("/static/{file}", _static),
    ]
    app = Starlette(routes=routes, exception_handlers={404: pages.missing})
    app.router.redirect_slashes = False
    return Guard(app)


class _Pages:
    """What each address shows."""

    def __init__(self, index: RunIndex) -> None:
        self.index = index
        loader = jinja2.FileSystemLoader(PAGES)
        self.templates = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self.templates.globals |= {"run_link": run_link, "study_link": study_link, "states": STATES}
        self.templates.filters |= {"number": wording.number, "seconds": wording.seconds, "setting": wording.plain}
        self.templates.filters |= {"settings": wording.settings, "words": wording.in_brackets}
        self.templates.filters |= {"metric": wording.without_split}

    def page(self, fill: Callable) -> Callable:
        """An endpoint that renders what `fill(request)` gives: the name of a template, and what it shows."""

        async def endpoint(request: Request) -> Response:
            try:
                name, values = await run_in_threadpool(fill, request)
            except NotThere as error:
                return self._error(str(error), 404)
            return HTMLResponse(self.templates.get_template(name).render(values))

        return endpoint

    def data(self, fill: Callable) -> Callable:
        """An endpoint that answers with `fill(request)`, charts by section, as JSON."""

        async def endpoint(request: Request) -> Response:
            try:
                sections = await run_in_threadpool(fill, request)
            except UserError as error:
                return PlainTextResponse(str(error), 404)
            return Response(json.dumps(sections, allow_nan=False, separators=(",", ":")), media_type="application/json")

        return endpoint

    def _error(self, message: str, status: int) -> Response:
        return HTMLResponse(self.templates.get_template("error.html").render(message=message), status)

    async def missing(self, request: Request, error: Exception) -> Response:
        """The answer to an address that leads nowhere."""
        return self._error("there is nothing at this address", 404)

    def overview(self, request: Request) -> tuple[str, dict]:
        """All studies and runs."""
        runs = self.index.runs()
        lines = [describe.study_line(self.index, name, runs) for name in self.index.studies()]
        lines.sort(key=lambda line: line.started.timestamp() if line.started else 0.0, reverse=True)
        live = any(card.state == "running" for card in runs)
        experiments = sorted({card.experiment for card in runs if card.experiment})
        present = [state for state in STATES if any(card.state == state for card in runs)]
        return "index.html", {
            "runs": runs,
            "studies": lines,
            "live": live,
            "experiments": experiments,
            "present": present,
            "root": self.index.place,
        }

    def study(self, request: Request) -> tuple[str, dict]:
        """One study."""
        study = studies.read(self.index, request.path_params["name"])
        return "study.html", {
            "study": study,
            "live": study.live,
            "answer": answers.answer(study),
            "chosen": answers.chosen(study),
            "findings": answers.findings(study),
            "confirmations": answers.confirmations(study),
            "confirmation_runs": answers.confirmation_runs(self.index, study.name),
        }

    def study_charts(self, request: Request) -> list[dict]:
        """The charts of one study."""
        study = studies.read(self.index, request.path_params["name"])
        return [{"title": "Charts", "says": "", "charts": study_charts.of_study(study)}]

    def run(self, request: Request) -> tuple[str, dict]:
        """One run."""
        details = describe.details(self.index, request.path_params["name"])
        return "run.html", {"run": details, "card": details.card, "live": details.card.state == "running"}

    def run_charts(self, request: Request) -> list[dict]:
        """The charts of one run."""
        return _as_json(run_charts.of_run(self.index, request.path_params["name"]))

    def _chosen(self, request: Request) -> tuple[list, list[str]]:
        """The runs that a request names, and the names among them that are none."""
        cards = {card.name: card for card in self.index.runs()}
        names = list(dict.fromkeys(request.query_params.getlist("run")))[:MOST]
        return [cards[name] for name in names if name in cards], [name for name in names if name not in cards]

    def compare(self, request: Request) -> tuple[str, dict]:
        """Several runs beside each other."""
        cards, unknown = self._chosen(request)
        return "compare.html", {
            "cards": cards,
            "unknown": unknown,
            "settings": run_charts.differing(cards),
            "scores": describe.scores(self.index, cards),
            "labels": run_charts.labels(cards),
            "live": any(card.state == "running" for card in cards),
        }

    def compare_charts(self, request: Request) -> list[dict]:
        """The charts of several runs, laid over each other."""
        return _as_json(run_charts.compared(self.index, self._chosen(request)[0]))

    async def media(self, request: Request) -> Response:
        """A picture that a run left."""
        try:
            media = await run_in_threadpool(self.index.media, request.path_params["name"])
        except NotThere as error:
            return self._error(str(error), 404)
        path = media.get(request.path_params["file"])
        if path is None or path.suffix not in _KINDS:
            return self._error("there is no such picture", 404)
        return Response(await run_in_threadpool(path.read_bytes), media_type=_KINDS[path.suffix])


def _as_json(sections: list) -> list[dict]:
    return [{"title": section.title, "says": section.says, "charts": charts} for section, charts in sections]


@functools.cache
def _statics() -> dict[str, tuple[Path, str]]:
    """What pages load, by name; Plotly's script comes with its package."""
    plotly = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"
    script = "text/javascript; charset=utf-8"
    return {
        "plotly.min.js": (plotly, script),
        "page.js": (PAGES / "page.js", script),
        "charts.js": (PAGES / "charts.js", script),
        "style.css": (PAGES / "style.css", "text/css; charset=utf-8"),
    }


async def _static(request: Request) -> Response:
    static = _statics().get(request.path_params["file"])
    if static is None:
        return PlainTextResponse("there is no such file", 404)
    path, kind = static
    keep = {"cache-control": "max-age=3600"} if path.name == "plotly.min.js" else {}
    return Response(await run_in_threadpool(path.read_bytes), media_type=kind, headers=keep)


def run_link(name: str) -> str:
    """The address of a run's page."""
    return f"/runs/{quote(name, safe='')}"


def study_link(name: str) -> str:
    """The address of a study's page."""
    return f"/studies/{quote(name, safe='')}"
