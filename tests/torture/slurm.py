"""A sweep on a real SLURM cluster of two nodes, one of which is lost while it works.

    python -m tests.torture.slurm

The nodes are two slurmd on this machine, with a PostgreSQL server beside them. The workers come from the template,
sweeps/workers.sbatch. Needs root, and Debian's packages slurmctld, slurmd, slurm-client, munge and postgresql.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from optuna.trial import TrialState

from rnnkit.core import cli, files
from rnnkit.core.errors import UserError
from rnnkit.runs import checkpoints
from sweeps.study import study as studies
from tests import database
from tests.helpers import ROOT, no_account


CONFIGURATION = """
ClusterName=rnnkit
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=20
InactiveLimit=0
KillWait=2
MinJobAge=300
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES:4
"""


@dataclass(frozen=True)
class Options:
    """What can be said to it."""

    points: int = 12
    """Points of the study."""
    epochs: int = 30
    """Epochs of each trial, long enough that a node is lost in the middle of one that has saved its state."""


@dataclass
class Cluster:
    """Two nodes."""

    folder: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    def start(self, name: str, *words: str) -> None:
        """Start one of the cluster's programs in the foreground."""
        log = (self.folder / f"{name}.out").open("w")
        self.processes[name] = subprocess.Popen(words, stdout=log, stderr=log, env=self.environment)
        log.close()

    @property
    def configuration(self) -> Path:
        """SLURM's own file of settings."""
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What SLURM's commands need to find this cluster."""
        return no_account() | {"SLURM_CONF": str(self.configuration)}

    def ask(self, *words: str, **environment: str) -> str:
        """What one of SLURM's commands says."""
        done = subprocess.run(words, cwd=ROOT, env=self.environment | environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def tasks(self, node: str) -> list[str]:
        """The numbers of the jobs that run on a node."""
        return self.ask("squeue", "-h", "-t", "R", "-w", node, "-o", "%A").split()

    def lose(self, node: str) -> int:
        """Kill all that runs on a node, at once, as a power cut does. Returns how many workers were among it."""
        jobs = self.tasks(node)
        doomed, workers = [], 0
        for process in filter(lambda path: path.name.isdigit(), Path("/proc").iterdir()):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                surroundings = set((process / "environ").read_bytes().split(b"\0"))
                if any(words.startswith(f"slurmstepd: [{job}.") for job in jobs):
                    doomed.append(int(process.name))
                elif f"SLURMD_NODENAME={node}".encode() in surroundings and str(ROOT).encode() in b"".join(
                    surroundings
                ):
                    doomed.append(int(process.name))
                    workers += "sweeps.worker" in words
        for number in [self.processes.pop(node).pid, *doomed]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        return workers


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A SLURM cluster of two nodes on this machine."""
    lacking = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name) is None]
    if lacking or os.geteuid() != 0:
        raise UserError(
            f"needs root and SLURM; missing: {', '.join(lacking) or 'root'} (see the first lines of this file)"
        )
    with TemporaryDirectory(prefix="rnnkit-slurm-") as place, contextlib.ExitStack() as stack:
        found = Cluster(Path(place))
        for name in ("munge", "state", "spool-n1", "spool-n2"):
            (found.folder / name).mkdir(mode=0o755)
        found.folder.chmod(0o755)
        key = found.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        values = {"host": socket.gethostname().split(".")[0], "folder": place, "ports": free_ports(3)}
        (found.folder / "slurm.conf").write_text(CONFIGURATION.format(**values))
        munge = ["munged", "--foreground", "--force", f"--socket={place}/munge/socket", f"--key-file={key}"]
        munge += [f"--{name}-file={place}/munge/{name}" for name in ("pid", "log", "seed")]

        def stop() -> None:
            with contextlib.suppress(AssertionError):
                found.ask("scancel", "--full", "--signal=KILL", "--state=RUNNING", "--partition=main")
            for process in reversed(found.processes.values()):
                process.kill()
                process.wait()

        stack.callback(stop)
        found.start("munged", *munge)
        until("munge", (found.folder / "munge" / "socket").exists, 10)
        found.start("slurmctld", "slurmctld", "-D", "-f", f"{place}/slurm.conf")
        for node in ("n1", "n2"):
            found.start(node, "slurmd", "-D", "-N", node, "-f", f"{place}/slurm.conf")
        until("two idle nodes", lambda: "idle" in ready(found), 60)
        yield found


def ready(found: Cluster) -> str:
    """The state of the nodes, if there is one for both."""
    done = subprocess.run(["sinfo", "-h", "-o", "%T %D"], env=found.environment, capture_output=True, text=True)
    return done.stdout if done.stdout.strip() == "idle 2" else ""


def node_of(worker: str) -> str | None:
    """The node that a worker runs on, by the process that its name holds."""
    with contextlib.suppress(OSError):
        surroundings = Path(f"/proc/{worker.split('-')[-2]}/environ").read_bytes().split(b"\0")
        return next((v[16:].decode() for v in surroundings if v.startswith(b"SLURMD_NODENAME=")), None)
    return None


def until(what: str, holds: Callable[[], object], seconds: float) -> float:
    """Wait until something holds, and return the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"waited {seconds} seconds for {what}"
        time.sleep(0.25)
    return time.monotonic() - began


def torture(options: Options, found: Cluster, server: database.Server, runs: Path) -> str:
    """Sweep on the cluster, lose a node, and see the study end. Returns what happened in words."""
    environment = no_account() | {"RNNKIT_STORAGE": server.address}
    words = [sys.executable, "-m", "sweeps.run", "digits", "--trials", str(options.points), "--workers", "0"]
    words += ["--sampler", "grid", "--study", "cluster", "--confirm", "0", "--runs-dir", str(runs), "--track", "off"]
    words += ["--", "--view", "rows", "--epochs", str(options.epochs), "--patience", "0"]
    with (runs / "said.log").open("w") as log:
        parent = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=log, stderr=log)
    until("the study", (runs / "studies" / "cluster" / "study.json").exists, 60)
    time.sleep(5)
    named = {"RNNKIT_STORAGE": server.address, "STUDY": "cluster", "RUNS_DIR": str(runs), "TRACK": "off"}
    array = ["sbatch", "--parsable", "--array=0-3", f"--output={runs}/task-%a.log", "sweeps/workers.sbatch"]
    found.ask(*array, PYTHON=sys.executable, **named)

    study = studies.join(runs, "cluster", server.address, track="off")

    def ended() -> int:
        return sum(trial.state.is_finished() for trial in study.trials.get_trials(deepcopy=False))

    def running() -> dict[int, str]:
        trials = study.trials.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return {trial.number: trial.user_attrs["worker"] for trial in trials}

    def saved() -> bool:
        """Whether a trial has saved its state that runs on the node which is to be lost."""
        folders = [path.parent for path in runs.glob(f"*/{checkpoints.LATEST}")]
        numbers = {files.read_json(folder / "manifest.json")["trial"] for folder in folders}
        return any(number in numbers and node_of(worker) == "n1" for number, worker in running().items())

    until("two ended trials, and a saved one", lambda: ended() >= 2 and len(running()) >= 3 and saved(), 300)
    before = running()
    lost, moment = found.lose("n1"), time.monotonic()
    assert lost, "no worker ran on the lost node"

    def taken_up() -> bool:
        trials = {trial.number: trial for trial in study.trials.get_trials(deepcopy=False)}
        return sum("cut_off" in trials[number].user_attrs for number in before) >= lost

    until("the lost trials to be noticed", taken_up, 60)
    noticed = time.monotonic() - moment
    until("the node to be down", lambda: "down" in found.ask("sinfo", "-h", "-n", "n1", "-o", "%T"), 120)
    down = time.monotonic() - moment
    requeued = found.ask("squeue", "-h", "-t", "PD", "-r", "-o", "%A").split()
    assert len(requeued) == lost, f"{len(requeued)} tasks were put back in the queue, not {lost}"
    code = parent.wait(timeout=600)
    assert code == 0, (runs / "said.log").read_text()
    trials = study.trials.get_trials(deepcopy=False)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * options.points
    finished = [path for path in runs.glob("*/result.json") if '"status": "finished"' in path.read_text()]
    assert len(finished) == options.points
    resumed = sum(bool(trial.user_attrs["result"]["resumed_after"]) for trial in trials)
    assert resumed, "no trial was taken up from its checkpoint"
    return (
        f"SLURM: node n1 lost with {lost} workers; its trials noticed after {noticed:.0f} s, the node down after "
        f"{down:.0f} s, {len(requeued)} tasks put back in the queue; {len(trials)} of {options.points} points finished "
        f"once each, {resumed} of them taken up from a checkpoint"
    )


def main() -> None:
    """Run it."""
    options = cli.parse(Options, "python -m tests.torture.slurm", sys.argv[1:], __doc__)
    if (lacks := database.lacking()) is not None:
        raise UserError(lacks)
    with cluster() as found, database.server() as server, TemporaryDirectory() as runs:
        print(torture(options, found, server, Path(runs)), flush=True)


if __name__ == "__main__":
    cli.main(main)
