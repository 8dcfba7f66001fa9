"""What this machine is, where servers and generators run on it, and where their files are."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

SERVER_CORE, LOAD_CORE = "0", "1"


def say(text):
    """Progress, for whoever waits."""
    print(time.strftime("%H:%M:%S ", time.gmtime()) + text, file=sys.stderr, flush=True)


def describe():
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown processor")
    with open("/proc/meminfo") as lines:
        memory = int(lines.readline().split()[1]) / 2**20
    return {"cores": os.cpu_count(), "processor": model, "memory_gib": round(memory), "system": f"{os.uname().sysname} {os.uname().release}"}


def now():
    """When something was measured, and how busy the machine was at the time."""
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "load_average": os.getloadavg()[0]}


def on_core(core):
    """What a command begins with that shall stay on one core. A machine that has only one shares it."""
    return ["taskset", "-c", core] if (os.cpu_count() or 1) > 1 else []


@contextlib.contextmanager
def directory(purpose):
    """A directory below COMPARE_DIR (by default the system's for temporary files) that is gone afterwards."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"compare-{purpose}-", dir=os.environ.get("COMPARE_DIR")))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def size_on_disk(path):
    return sum(file.stat().st_blocks * 512 for file in path.rglob("*") if file.is_file())


def output(*command, **options):
    """What a program prints that has to succeed."""
    ran = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if ran.returncode:
        raise Failed(f"{command[0]} ended with {ran.returncode}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return ran.stdout


class Failed(Exception):
    """A part cannot go on; the others can."""
