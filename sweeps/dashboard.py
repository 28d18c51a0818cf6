"""Look at runs and studies in a browser, on this machine alone, without a network or an account.

    python -m sweeps.dashboard
    python -m sweeps.dashboard --port 9000 --runs-dir elsewhere/runs

It reads, and changes nothing. Pages follow what is running. Ctrl-C ends it.
"""

import contextlib
import importlib
import os
import socket
import sys
import threading
import time
import webbrowser
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnnkit.core import RunsOptions, UserError, cli, extras
from sweeps.reading import RunIndex


if TYPE_CHECKING:
    import uvicorn


LATER = 2.0  # seconds in which the first list is made, with the interpreter to itself


@dataclass(frozen=True)
class Options(RunsOptions):
    """What the dashboard can be told."""

    port: int = 8642
    """Where it answers, on 127.0.0.1 alone; 0 for any port that is free."""
    browser: bool = True
    """Open the browser, where there is a screen."""

    def __post_init__(self) -> None:
        self._require("port", 0 <= self.port < 2**16, "between 0 and 65535")


def listening(port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1 alone. Raises `UserError` where the port is taken."""
    # Of TCP by name: asyncio then sends an answer at once, and not when a part of it was acknowledged, 40 ms later.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        raise UserError(f"cannot listen on port {port} ({reason}): choose another with --port") from None
    return listener


def has_screen() -> bool:
    """Whether a browser could show itself."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(k) for k in ("DISPLAY", "WAYLAND_DISPLAY"))


def server(index: RunIndex) -> "uvicorn.Server":
    """The server of the pages of an index. Raises `UserError` where what it needs is not installed."""
    with extras.needed("dashboard", "the dashboard"):
        import jinja2  # noqa: F401 (asked for here, so that all is said at once)
        import plotly  # noqa: F401
        import uvicorn

        from sweeps.web import app

    quiet = {"log_level": "warning", "server_header": False, "access_log": False}
    return uvicorn.Server(uvicorn.Config(app.make(index), **quiet, lifespan="off", ws="none"))


def prepare(index: RunIndex) -> None:
    """Have ready what the first pages need: the list, then what reads studies, which takes a second to import."""
    index.runs()
    time.sleep(LATER)
    for name in ("optuna", "scipy.stats"):
        importlib.import_module(name)


def main() -> None:
    """Serve the pages, and say where."""
    options = cli.parse(Options, "python -m sweeps.dashboard", sys.argv[1:], __doc__)
    index = RunIndex(options.runs_dir)
    pages = server(index)
    listener = listening(options.port)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    print(f"dashboard of {options.runs_dir}: {address} (Ctrl-C ends it)", flush=True)
    if options.browser and has_screen():
        threading.Timer(0.5, webbrowser.open, [address]).start()
    threading.Thread(target=prepare, args=[index], daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):  # which is how it is meant to end
        pages.run(sockets=[listener])


if __name__ == "__main__":
    cli.main(main, settle=False)
