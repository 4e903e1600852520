"""A Slurm of one's own: munged, slurmctld and two slurmd, whose GPUs are /dev/null and /dev/zero."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "unshare")
PLUGINS = Path(sys.prefix) / "cluster"  # where `make test` puts the packages of requirements/cluster.lock
PATIENCE = 1800  # seconds; on a busy machine the whole workflow takes long
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthInfo=socket={folder}/munge,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmdParameters=config_overrides
SlurmdTimeout=6
MinJobAge=3600
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory,CR_LLN
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=32 RealMemory=256000 Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=32 RealMemory=256000 Gres=gpu:2
PartitionName=all Nodes=ALL Default=YES
"""


def missing() -> str:
    """What keeps a Slurm from being started here; empty where nothing does."""
    if lacking := [name for name in COMMANDS if shutil.which(name) is None]:
        return f"{', '.join(lacking)} not found: on Debian, 'apt-get install slurm-wlm munge' installs them"
    if not PLUGINS.is_dir():
        return f"no {PLUGINS}: `make test` installs requirements/cluster.lock there"
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        return "Slurm's configuration must be at /etc/slurm: only root can put it there for a test"
    return ""


class Slurm:
    """Starts with the block and ends with it. Its configuration is at /etc/slurm only for what `inside` starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Slurm:
        for name in ("etc", "state", "n1", "n2"):
            (self.folder / name).mkdir()
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            ports = [one.getsockname()[1] for one in sockets]
        host = socket.gethostname().partition(".")[0]
        config = CONFIG.format(host=host, folder=self.folder, ports=ports)
        (self.folder / "etc" / "slurm.conf").write_text(config)
        (self.folder / "etc" / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        key = self.folder / "key"
        key.write_bytes(os.urandom(64))
        key.chmod(0o400)
        named = {
            "key-file": key,
            "socket": "munge",
            "pid-file": "pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        places = [f"--{name}={self.folder / place}" for name, place in named.items()]
        try:
            self.start("munged", ["munged", "--foreground", "--force", *places])
            wait((self.folder / "munge").exists)
            self.start("slurmctld", self.inside(["slurmctld", "-D"]))
            for node in ("n1", "n2"):
                self.start(node, self.inside(["slurmd", "-D", "-N", node]))
            wait(lambda: self.ask("sinfo", "-h", "-N", "-o", "%t").split() == ["idle", "idle"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(subprocess.CalledProcessError):
            self.ask("scancel", "--signal=KILL", "--full", "--user=root")
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait(PATIENCE)

    def start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.out").open("w") as said:
            self.daemons[name] = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)

    def inside(self, command: list[str]) -> list[str]:
        """The command, seeing this Slurm's configuration at /etc/slurm, as nobody else does."""
        mount = 'mount --bind "$0" /etc/slurm && exec "$@"'
        return ["unshare", "-m", "sh", "-c", mount, str(self.folder / "etc"), *command]

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands says."""
        return subprocess.run(self.inside([*command]), check=True, capture_output=True, text=True).stdout

    def jobs(self) -> list[dict[str, str]]:
        """Every job since the start, with the fields of `scontrol show job`."""
        lines = self.ask("scontrol", "show", "job", "--oneliner").splitlines()
        pairs = [[word.partition("=") for word in line.split() if "=" in word] for line in lines]
        return [{name: value for name, _, value in line} for line in pairs if line]

    def lose(self, node: str) -> None:
        """As if the node had lost its power: nothing there can say that it ends."""
        running = [
            job["JobId"] for job in self.jobs() if job["NodeList"] == node and job["JobState"] == "RUNNING"
        ]
        daemon = self.daemons.pop(node)
        daemon.kill()
        daemon.wait()
        titles = [f"slurmstepd: [{job}.".encode() for job in running]
        kill(lambda path: any((path / "cmdline").read_bytes().startswith(title) for title in titles))
        marks = [f"\0SLURM_JOB_ID={job}\0".encode() for job in running]
        kill(lambda path: any(mark in (path / "environ").read_bytes() for mark in marks))


def kill(chosen: Callable[[Path], bool]) -> int:
    """Kill -9 the processes whose folder in /proc is chosen; how many those were."""
    count = 0
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if chosen(path):
                os.kill(int(path.name), signal.SIGKILL)
                count += 1
    return count


def wait(condition: Callable[[], object]) -> None:
    """Until the condition holds."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < PATIENCE, "what was waited for does not come"
        time.sleep(0.1)
