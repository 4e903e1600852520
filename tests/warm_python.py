"""A `python` for the jobs of tests' workflows that has imported what takes longest.

A small run is some thirty jobs, and to import PyTorch takes each longer than its work. Here it is imported once: a
server forks for every job, which then runs the script as `python script.py` would. The `python` that Snakemake's
shell finds only hands on its arguments, environment, folder and streams, and ends as the job has ended; if it is
killed, so is the job. Anything else than a script is left to the real Python.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

PRELOADED = (
    "transformer_lens.model_bridge",
    "torch",
    "transformers.models.llama.modeling_llama",
    "networkx",
    "pyarrow.parquet",
    "pyarrow.compute",
    "mkdocs",
    "jinja2",
    "tqdm",
)
COLD = ("PYTHONHASHSEED", "PYTHONPATH")  # are read when Python starts
CLIENT = f"""#!{sys.executable} -IS
import json, os, socket, sys
script = sys.argv[1:2]
if not (script and script[0].endswith(".py")) or any(name in os.environ for name in {COLD}):
    os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect(os.path.join(os.path.dirname(__file__), "socket"))
socket.send_fds(server, [b"."], [0, 1, 2])
server.sendall(json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]]).encode())
server.shutdown(socket.SHUT_WR)
status = server.recv(1)
os._exit(status[0] if status else 1)
"""


@cache
def folder_with_python() -> Path:
    """Start the server of this process; gives the folder to put first in PATH."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    program = folder / "python"
    program.write_text(CLIENT)
    program.chmod(0o755)
    server = subprocess.Popen([sys.executable, __file__, folder / "socket"], stdout=subprocess.PIPE)
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.kill)
    assert server.stdout is not None and server.stdout.readline() == b"ready\n"
    return folder


def serve(address: str) -> None:
    """Run scripts for clients until this process is killed."""
    for name in PRELOADED:
        __import__(name)
    gc.freeze()  # no child looks through what it shares with all others, which would copy it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        print("ready", flush=True)
        while True:
            client, _ = listening.accept()
            with client:
                if os.fork() == 0:
                    listening.close()
                    _keep(client)


def _keep(client: socket.socket) -> None:
    """Run what one client asks for; tell it the exit status, or end the script if the client has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    asked = b"".join(iter(lambda: client.recv(1 << 16), b""))
    script = os.fork()
    if script == 0:
        client.close()
        _run(streams, *json.loads(asked))
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(script)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(client, 0)  # only whether the client hung up entirely
    if not any(source == ended for source, _ in poll.poll()):
        os.kill(script, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(script, 0)[1])
    try:
        client.sendall(bytes([status if status >= 0 else 128 - status]))
    finally:
        os._exit(0)


def _run(streams: list[int], folder: str, environment: dict[str, str], arguments: list[str]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")
    # Whatever ends a script ends this process as it would end Python.
    sys.exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
