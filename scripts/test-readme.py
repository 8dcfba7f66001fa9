#!/usr/bin/env python3
"""Runs the README's ```console blocks, in order, in an empty directory, and compares what they print.

usage: test-readme.py PROGRAMS [README.md]      PROGRAMS is the directory of acta, acta-log, acta-witness and acta-monitor

    $ command         runs; has to succeed
    text              has to be the next line of its output; … stands for anything within a line
    …                 alone on a line: any number of lines
    ^C                ends the server that was started last, as Ctrl-C does; it has to end well

A command that starts with `acta-log serve`, `acta-witness serve` or `acta-monitor serve` is left running once it has printed what the README
shows. Port numbers are replaced by free ones, in commands and in what is expected, so that runs do not disturb each other.
"""
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECONDS = 120


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def blocks(text):
    """The lines of each console block, with the ports of this run in them."""
    ports = {}
    def port(match):
        return f"127.0.0.1:{ports.setdefault(match[1], free_port())}"
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        yield re.sub(r"127\.0\.0\.1:(\d+)", port, block).splitlines()


def steps(lines):
    """Commands, each with the lines expected after it."""
    found = []
    for line in lines:
        if line == "^C" or line.startswith("$ "):
            found.append((line, []))
        else:
            found[-1][1].append(line)
    return found


def matcher(expected):
    """A pattern for a whole output; the start of one for a server, which goes on."""
    parts = []
    for line in expected:
        if line == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(re.escape(piece) for piece in line.split("…")) + r"\n")
    return "".join(parts)


class Session:
    def __init__(self, directory, programs):
        self.directory = directory
        self.servers = []
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ACTA_")
        } | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": f"{directory}/.cache",
            "XDG_STATE_HOME": f"{directory}/.state",
        }

    def start(self, command, **options):
        return subprocess.Popen(["bash", "-c", command], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)

    def run(self, command, expected):
        process = self.start(command)
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failed(f"did not end within {SECONDS} s") from None
        if process.returncode != 0:
            raise Failed(f"ended with {process.returncode}:\n{output}")
        if output and not output.endswith("\n"):
            output += "\n"
        if expected and not re.fullmatch(matcher(expected), output):
            raise Failed("printed\n" + output + "instead of\n" + "\n".join(expected))

    def serve(self, command, expected):
        server = self.start("exec " + command)
        self.servers.append(server)
        pattern = re.compile(matcher(expected))
        output, until = "", time.monotonic() + SECONDS
        while not pattern.match(output):
            ready, _, _ = select.select([server.stdout], [], [], max(0, until - time.monotonic()))
            more = os.read(server.stdout.fileno(), 4096).decode() if ready else ""
            if not more:
                raise Failed("did not start:\n" + output)
            output += more

    def interrupt(self):
        server = self.servers.pop()
        server.send_signal(signal.SIGINT)
        code = server.wait(SECONDS)
        if code != 0:
            raise Failed(f"the server ended with {code}")

    def step(self, line, expected):
        if line == "^C":
            self.interrupt()
        elif line.startswith(("$ acta-log serve", "$ acta-witness serve", "$ acta-monitor serve")):
            self.serve(line[2:], expected)
        else:
            self.run(line[2:], expected)

    def close(self):
        for server in self.servers:
            if server.poll() is None:
                server.kill()
                server.wait()


def main():
    programs = pathlib.Path(sys.argv[1]).resolve()
    readme = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "README.md"
    count = 0
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(ROOT / "testdata", f"{directory}/testdata")
        session = Session(directory, programs)
        try:
            for block in blocks(readme.read_text(encoding="utf-8")):
                for line, expected in steps(block):
                    try:
                        session.step(line, expected)
                    except Failed as failure:
                        sys.exit(f"{readme.name}: {line}\n{failure}")
                    count += 1
        finally:
            session.close()
    if count == 0:
        sys.exit(f"{readme.name} has no commands to run")
    print(f"{readme.name}: {count} commands run as it says")


main()
