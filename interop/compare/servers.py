"""Starts the servers that are measured, and ends them."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from machine import SERVER_CORE, Failed, directory, on_core, output

# Every call that makes data durable; only these stop the traced server, all else runs at full speed.
SYNCS = ["strace", "-f", "-qq", "-c", "--seccomp-bpf", "-e", "trace=fdatasync,fsync,sync_file_range,msync,sync,syncfs"]


class Server:
    """A server that runs: where it listens, and its process."""

    def __init__(self, url, pid, process):
        self.url, self.pid, self.process = url, pid, process

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, how)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Contender:
    """A server that can be started on an empty directory."""

    def __init__(self, name, meaning, command, ready="/checkpoint"):
        self.name, self.meaning, self.command, self.ready = name, meaning, command, ready

    @contextlib.contextmanager
    def running(self, under=()):
        """Runs it on its core with a directory of its own. `under` is a program that runs it, such as strace."""
        with directory("log") as home:
            port = free_port()
            with started(self.name, self.command(home, port), port, self.ready, [*on_core(SERVER_CORE), *under]) as server:
                yield server


@contextlib.contextmanager
def started(name, command, port, ready="/checkpoint", under=(), how=signal.SIGKILL):
    """Runs a server until it answers on `ready`; ends it afterwards."""
    with directory("messages") as home, open(home / "messages", "wb") as messages:
        process = subprocess.Popen([*under, *map(str, command)], stdout=messages, stderr=messages)
        server = Server(f"http://127.0.0.1:{port}/", process.pid, process)
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}{ready}") or process.poll() is not None)
            if process.poll() is not None:
                raise Failed(f"{name} did not start: {(home / 'messages').read_text(errors='replace')[-2000:]}")
            if "strace" in under:
                server.pid = child_of(process.pid)
            yield server
        finally:
            server.end(how)


def child_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait_until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"a server did not come up within {seconds} s")
        time.sleep(0.02)


def new_log(programs, home):
    output(programs / "acta-log", "init", "--dir", home, "--origin", "compare.example/acta", "--admission", "open")
    return home


def serve_log(programs, home, port):
    return [programs / "acta-log", "serve", "--dir", home, "--listen", f"127.0.0.1:{port}"]


def log_contender(programs):
    def command(home, port):
        return serve_log(programs, new_log(programs, home / "log"), port)
    return Contender("acta-log", "durable, in the tree, under a signed head; no double", command)


def tessera_contenders(theirs):
    """Tessera's conformance server as shipped, and with its settings changed; each with and without its antispam."""
    def shipped(antispam):
        def command(home, port):
            flags = ["--antispam"] if antispam else []
            return [theirs / "posix", "--storage_dir", home / "log", "--listen", f"127.0.0.1:{port}", "--private_key", theirs / "key", *flags]
        return command

    def tuned(batch, age, antispam):
        def command(home, port):
            flags = ["--antispam"] if antispam else ["--antispam_memory", "0"]
            return [theirs / "tuned", "--storage_dir", home / "log", "--listen", f"127.0.0.1:{port}", "--private_key", theirs / "key",
                    "--batch_size", batch, "--batch_age", age, "--checkpoint_interval", "100ms", "--pushback", "20000", *flags]
        return command

    durable = "durable; the tree follows"
    return [
        Contender("Tessera POSIX as shipped", f"{durable}; doubles of late told from memory", shipped(False)),
        Contender("Tessera POSIX as shipped, antispam", f"{durable}; doubles told, but not at once", shipped(True)),
        Contender("Tessera POSIX tuned (1,024 or 50 ms)", durable + "; doubles not told", tuned(1024, "50ms", False)),
        Contender("Tessera POSIX tuned (4,096 or 100 ms)", durable + "; doubles not told", tuned(4096, "100ms", False)),
        Contender("Tessera POSIX tuned (1,024 or 50 ms), antispam", f"{durable}; doubles told, but not at once", tuned(1024, "50ms", True)),
    ]
