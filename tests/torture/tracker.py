"""What can befall W&B while a run is mirrored there: whether the run ends on time, with its record whole.

    python -m tests.torture.tracker                   # seven faults, ten times each: some ten minutes
    python -m tests.torture.tracker --number 1 --faults mirror-killed core-stopped

Before each run with a fault one without is timed. Afterwards `sweeps.sync` has to make the mirrored copy whole.
"""

import os
import random
import signal
import statistics
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments import digits
from rnnkit.core import cli
from rnnkit.core.config import BaseConfig, run_name
from rnnkit.core.errors import UserError
from rnnkit.mirror import wandb_log
from rnnkit.runs import mirror_client, tracking
from rnnkit.runs.rows import read_rows
from sweeps import sync
from tests.helpers import no_account
from tests.torture import forks, kills


SHARE, SECONDS = 0.02, 0.5  # of a run's time, or in all: what a fault may cost
ATTEMPTS = 3  # a machine that does something else now and then makes single runs slow
STARTED = 60  # seconds within which a mirror has begun to follow
HEADSTART = 3  # seconds for one that never will


# What the mirror alone, and no run, finds when it starts: a disk with hardly any room, and a Python without wandb.
SITE = """
import os, resource, signal, sys
if "rnnkit.mirror" in sys.orig_argv and os.environ.get("TORTURE") == "disk":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
if "rnnkit.mirror" in sys.orig_argv and os.environ.get("TORTURE") == "absent":
    sys.modules["wandb"] = None
"""


@dataclass(frozen=True)
class Fault:
    """What happens: the environment of the run, or what is done to its mirror while it trains."""

    track: str = "offline"
    environment: Callable[[int, Path], dict[str, str]] = lambda port, site: {}
    process: str = ""
    number: int = 0


def _account(address: str) -> dict[str, str]:
    return {"WANDB_API_KEY": "k" * 40, "WANDB_BASE_URL": address}


def _in_mirror(what: str) -> Callable[[int, Path], dict[str, str]]:
    return lambda port, site: {"TORTURE": what, "PYTHONPATH": str(site)}


FAULTS = {
    "mirror-killed": Fault(process="rnnkit.mirror", number=signal.SIGKILL),
    "core-killed": Fault(process="wandb-core", number=signal.SIGKILL),
    "core-stopped": Fault(process="wandb-core", number=signal.SIGSTOP),
    "unreachable": Fault("online", lambda port, site: _account("http://127.0.0.1:9")),
    "refusing": Fault("online", lambda port, site: _account(f"http://127.0.0.1:{port}")),
    "disk-full": Fault(environment=_in_mirror("disk")),
    "not-installed": Fault(environment=_in_mirror("absent")),
}


@dataclass(frozen=True)
class Options:
    """What can be said to the torture."""

    number: int = 10
    """How often each fault."""
    faults: tuple[str, ...] = tuple(FAULTS)
    """Which faults."""
    seed: int = 0
    """Seed of the moments."""

    def __post_init__(self):
        for name in self.faults:
            if name not in FAULTS:
                raise UserError(f"--faults: there is no {name}: choose of {', '.join(FAULTS)}")


@contextmanager
def refusing() -> Iterator[int]:
    """A server that answers every other question with 401, and the rest with 500: its port."""

    class Refuses(BaseHTTPRequestHandler):
        asked = 0

        def do_POST(self):
            Refuses.asked += 1
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(401 if Refuses.asked % 2 else 500)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def below(process: int) -> dict[int, str]:
    """The processes that a process started, and those that they started, with their command lines."""
    parents, found = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
    family = {process}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    for child in family - {process}:
        try:
            found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def end(processes: dict[int, str]) -> None:
    """Kill what a mirror left behind."""
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def strike(fault: Fault, seen: dict[int, str], moment: float) -> None:
    """Do to a mirror's processes, after a moment, what the fault says."""
    time.sleep(moment)
    hit = [process for process, words in seen.items() if fault.process in words]
    assert hit, f"no {fault.process} among {seen}"
    for process in hit:
        os.kill(process, fault.number)


def timed(config: BaseConfig, fault: Fault | None, port: int, site: Path, moment: float) -> float:
    """Run with a fault, or None, see that the record is whole, and return how long it took from step 20 on.

    There it waits until its mirror is at work, so that the fault finds one, and its start is timed in no run.
    """
    environment = no_account() | (fault.environment(port, site) if fault else {})
    folder, seen = config.runs_dir / run_name(config), {}
    waiting, told = os.pipe()

    def hold(*_):
        until = time.monotonic() + (STARTED if fault is None or fault.process else HEADSTART)
        while time.monotonic() < until and mirror_client.state(folder).get("state") is None:
            time.sleep(0.02)
        os.write(told, b".")
        time.sleep(0.1)  # while we look which processes there are

    def before():
        os.environ.clear()
        os.environ.update(environment)
        kills.reaching(tracking.Run, "log", 20, hold, kills.always)

    child = forks.started(digits.main, forks.words(config), before)
    os.close(told)
    assert os.read(waiting, 1), f"the run did not come to its step 20: it exited with {forks.ended(child)}"
    os.close(waiting)
    began = time.monotonic()
    seen |= below(child)
    if fault is not None and fault.process:
        assert mirror_client.state(folder).get("state") == "following", "the mirror did not begin to follow the run"
        strike(fault, seen, moment)
    code = forks.ended(child)
    took = time.monotonic() - began
    assert code == 0, f"exited with {code}"
    if fault is not None:
        end(seen)
        completed(folder)
    return took


def completed(folder: Path) -> None:
    """See that `sweeps.sync` makes the mirrored copy of a run whole."""
    until = time.monotonic() + 10
    while (said := sync.prepare(folder)) == "in the hands of another process" and time.monotonic() < until:
        time.sleep(0.05)  # its mirror was killed a moment ago
    assert said == "to send", said
    assert [row["step"] for row in wandb_log.rows(sync.log_of(folder))] == [row["step"] for row in read_rows(folder)]


def torture(name: str, number: int, seed: int, runs: Path, reference: tuple, config: BaseConfig) -> str:
    """Have a fault so many times, and say how it went. Raises `AssertionError` where it cost time, rows or bits."""
    moments, differences, repeated = random.Random(seed), [], 0
    site = runs / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(textwrap.dedent(SITE))
    with refusing() as port:
        for turn in range(number):
            for attempt in range(ATTEMPTS):
                place = runs / f"{name}-{turn}-{attempt}"
                healthy = replace(config, track="offline", runs_dir=place / "normal")
                normal = timed(healthy, None, port, site, 0.0)
                faulty = replace(config, track=FAULTS[name].track, runs_dir=place)
                took = timed(faulty, FAULTS[name], port, site, moments.uniform(0.0, 1.0))
                assert forks.record(faulty.runs_dir / run_name(faulty)) == reference, f"{name}: another record"
                if took - normal <= max(SHARE * normal, SECONDS):
                    break
                repeated += 1
            else:
                raise AssertionError(f"{name}: {took:.2f} s instead of {normal:.2f}")
            differences.append(took - normal)
    again = f" ({repeated} timed again)" if repeated else ""
    middle = statistics.median(differences)
    return (
        f"{name}: {number} of {number} runs ended on time{again}, in the median {middle:+.2f} s "
        f"and {max(differences):+.2f} at most, no row lost, and sync made their copies whole"
    )


def main() -> None:
    """Torture as the command line says."""
    options = cli.parse(Options, "python -m tests.torture.tracker", sys.argv[1:], __doc__)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        runs = Path(folder)
        config = digits.Config(cell="lstm", hidden_size=16, epochs=8, patience=0, track="off", runs_dir=runs)
        reference = forks.record(forks.rehearse(digits, config))
        for name in options.faults:
            print(torture(name, options.number, options.seed, runs, reference, config), flush=True)


if __name__ == "__main__":
    cli.main(main)
