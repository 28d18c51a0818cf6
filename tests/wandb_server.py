"""A server on this machine that stands in for Weights & Biases': it takes runs and views, and remembers what came.

It answers what wandb's client asks when a run is sent, a view is saved, or a view is read, and refuses all else as a
server does that does not know a query.
"""

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


ME = "somebody"
USER = {"id": "VXNlcjox", "username": ME, "entity": ME, "email": "a@b", "admin": False, "flags": "{}", "name": ME}


@dataclass
class SentRun:
    """What came of a run: its group, tags and so on as they were given, its files line by line, and how it ended."""

    given: dict = field(default_factory=dict)
    lines: dict[str, dict[int, str]] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def history(self) -> list[dict]:
        """The rows, in the order of their numbers."""
        lines = self.lines.get("wandb-history.jsonl", {})
        return [json.loads(lines[number]) for number in sorted(lines)]

    @property
    def summary(self) -> dict:
        """The last summary that came."""
        lines = self.lines.get("wandb-summary.json", {})
        return json.loads(lines[max(lines)]) if lines else {}

    @property
    def config(self) -> dict:
        """The settings, and what the client tells beside them under `_wandb`."""
        return {name: one["value"] for name, one in json.loads(self.given["config"]).items()}


@dataclass
class Server:
    """What came: runs by id, views by id, and the names of queries in order."""

    address: str = ""
    runs: dict[str, SentRun] = field(default_factory=dict)
    views: dict[str, dict] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """What a command needs to find it."""
        return {"WANDB_BASE_URL": self.address, "WANDB_API_KEY": "k" * 40, "WANDB_MODE": "online"}

    def answer(self, query: str, variables: dict) -> dict | None:
        """The answer to a query; None to one that is not known."""
        name = re.search(r"(?:query|mutation)\s+(\w+)", query)[1]
        self.asked.append(name)
        known = getattr(self, f"_{name}", None)
        return known(variables) if known else None

    def _Viewer(self, _):
        return {"viewer": {**USER, "teams": {"edges": []}}}

    _GetViewer = _GetDefaultEntity = _Viewer

    def _ServerFeaturesQuery(self, _):
        return {"serverInfo": {"features": []}}

    def _UpsertBucket(self, given):
        run = self.runs.setdefault(given["name"], SentRun())
        run.given |= {name: value for name, value in given.items() if value is not None}
        project = {"id": "UHJvamVjdDox", "name": given.get("project"), "entity": {"id": "RW50aXR5OjE=", "name": ME}}
        bucket = {"id": "cnVuOjE=", "name": given["name"], "displayName": given.get("displayName"), "project": project}
        bucket |= {"description": "", "config": given.get("config") or "{}", "sweepName": None, "historyLineCount": 0}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _RunResumeStatus(self, given):
        return {"model": {"id": "UHJvamVjdDox", "name": given["project"], "entity": {"name": ME}, "bucket": None}}

    def _CreateRunFiles(self, given):
        files = [{"name": name, "uploadUrl": f"{self.address}/up/{name}"} for name in given["files"]]
        return {"createRunFiles": {"runID": "cnVuOjE=", "uploadHeaders": [], "files": files}}

    def _UpsertView2(self, given):
        identifier = given.get("id") or f"view-{len(self.views)}"
        new = identifier not in self.views
        self.views[identifier] = {**given, "id": identifier}
        return {"upsertView": {"view": {"id": identifier, "name": given["name"]}, "inserted": new}}

    def _View(self, given):
        found = [view for view in self.views.values() if view["name"] == given["viewName"]]
        nodes = [{"node": {key: view[key] for key in ("id", "displayName", "spec")}} for view in found]
        return {"project": {"allViews": {"edges": nodes}}}

    def take_lines(self, run: str, sent: dict) -> None:
        """Keep what a run's stream brings."""
        kept = self.runs.setdefault(run, SentRun())
        for name, part in (sent.get("files") or {}).items():
            lines = kept.lines.setdefault(name, {})
            lines |= {part["offset"] + i: line for i, line in enumerate(part["content"])}
        kept.exit_code = sent.get("exitcode", kept.exit_code)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Say nothing."""

        def _read(self) -> bytes:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

        def _send(self, values: dict) -> None:
            body = json.dumps(values).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self._read()
            self._send({})

        do_PUT = do_GET

        def do_POST(self):
            body = self._read()
            if self.path == "/graphql":
                asked = json.loads(body)
                found = server.answer(asked["query"], asked.get("variables") or {})
                self._send({"data": found} | ({} if found else {"errors": [{"message": "unknown query"}]}))
            elif self.path.endswith("/file_stream"):
                server.take_lines(self.path.split("/")[-2], json.loads(body))
                self._send({"exitcode": None, "limits": {}})
            else:
                self._send({})

    return Handler


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """The server, while it answers."""
    server = Server()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    listener.daemon_threads = True
    server.address = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
