#!/usr/bin/env python3
"""Notices when a part that everything else is made of takes more instructions than it did.

    scripts/guard.py               counts, compares with guard/instructions.txt, fails when a part grew by more than a tenth
    scripts/guard.py --accept      counts, and writes what was counted to that file
    scripts/guard.py --self-test   sees that parts which do their work twice are noticed, and no others

The parts are those of guard/src/main.rs, and valgrind's callgrind counts. It shows every program the same processor,
without SHA-NI, AVX-512 or whatever else is newer than AVX2, so counts are the same on all x86-64 processors that have AVX2; elsewhere
nothing is compared. What SHA-256's compressions take without instructions of their own counts a tenth, which is about what they take with them:
else nothing beside them would be seen. Counts say nothing about seconds: docs/benchmarks.md does. Hash tables with random seeds, RocksDB's
skip lists and the kernel's timing let counts vary by up to a few percent in the parts that use them. Another release of the compiler or of valgrind
can change more: the file says by which it was made, and where these are others only half more is a failure.

    ACTA_REQUIRE_GUARD=1   fail where valgrind is missing, rather than skip
"""

import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPECTED = ROOT / "guard" / "instructions.txt"
TOLERANCE = 0.10
# With other tools than those that made the file.
WIDE_TOLERANCE = 0.50
BUILD = ["cargo", "build", "--profile", "guard", "--package", "guard"]
# The function whose instructions are counted, and one that valgrind's processor has to do without instructions of its own for.
COUNTED = "acta_guard::measured"
COMPRESSION = re.compile(r"\bsha2::sha256::.*compress")
# What stands above that function, and so has all of its instructions too.
AROUND = re.compile(rf"{COUNTED}|acta_guard::main|below main|libc-start|lang_start|__rust_begin|ld-linux|:main ")
# One for each kind of work: pure, RocksDB's, and over the network.
TWICE = ["hash a leaf of 256 bytes", "commit 256 entries to the store", "answer GET of a full tile"]
HEADER = """\
# Instructions that each part of src/main.rs takes, by callgrind: compared by `make guard`, written by `scripts/guard.py --accept`.
# Whoever accepts a change says in the commit why the part costs that now.
# Made by {tools}
"""


def main():
    arguments = sys.argv[1:]
    if arguments not in ([], ["--accept"], ["--self-test"]):
        sys.exit(__doc__)
    missing = cannot_count()
    if missing:
        print(f"SKIPPED: {missing}")
        sys.exit(1 if os.environ.get("ACTA_REQUIRE_GUARD") == "1" and shutil.which("valgrind") is None else 0)
    program = build()
    with tempfile.TemporaryDirectory(prefix="guard-") as directory:
        directory = pathlib.Path(directory)
        if arguments == ["--self-test"]:
            self_test(program, directory)
            return
        counted, dumps = count(program, directory)
        if arguments == ["--accept"]:
            lines = (f"{instructions:>12,}  {name}\n" for name, instructions in counted.items())
            EXPECTED.write_text(HEADER.format(tools=tools()) + "".join(lines))
            print(f"{EXPECTED.relative_to(ROOT)} has the new counts; say in the commit why they changed")
            return
        compare(counted, dumps)


def cannot_count():
    """Why nothing can be compared here, if so."""
    if platform.machine() != "x86_64" or not re.search(r"^flags.*\bavx2\b", pathlib.Path("/proc/cpuinfo").read_text(), re.M):
        return "the counts are those of x86-64 processors with AVX2, and this is none"
    if shutil.which("valgrind") is None:
        return "valgrind is missing, which counts instructions (Debian's package of that name)"
    return None


def build():
    """Gives the program's path."""
    messages = subprocess.run([*BUILD, "--message-format=json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    artifacts = [message for message in map(json.loads, messages.stdout.splitlines()) if message["reason"] == "compiler-artifact"]
    return next(each["executable"] for each in artifacts if each["target"]["name"] == "acta-guard" and each["executable"])


def count(program, directory, parts=(), twice=None):
    """Instructions of each part for one run of it, and the file with what callgrind saw of it."""
    for old in directory.iterdir():
        old.unlink()
    # Only what is needed: what else stands in the environment moves the stack, on which a few counts depend.
    environment = {"PATH": os.environ["PATH"], "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
    if twice:
        environment["ACTA_GUARD_TWICE"] = twice
    out = directory / "counted"
    callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--log-file={directory}/messages"]
    # A dump each time that the function is left, with what was collected while in it.
    only = [f"--toggle-collect={COUNTED}", f"--dump-after={COUNTED}"]
    run = subprocess.run([*callgrind, *only, program, *parts], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"the program that is counted failed:\n{(directory / 'messages').read_text()[-4000:]}")
    counted, dumps = {}, {}
    for number, line in enumerate(run.stdout.splitlines(), 1):
        name, times = line.split("\t")
        dumps[name] = directory / f"counted.{number}"
        if not dumps[name].exists():
            sys.exit(f"{name}: nothing was counted. Is the function {COUNTED} still there by that name?")
        counted[name] = round(weighed(dumps[name].read_text()) / int(times))
    return counted, dumps


def weighed(dump):
    """The instructions in a dump, where those of SHA-256's compressions count a tenth."""
    total, hashing, callee, names = 0, 0, False, {}
    for line in dump.splitlines():
        if line.startswith("totals: "):
            total = int(line.split()[1])
        elif found := re.match(r"fn=\((\d+)\)(?: (.*))?", line):
            # A name stands where its number is met first, be it as a caller or as a callee.
            names[found[1]] = found[2] or names.get(found[1], "")
            hashing_now = COMPRESSION.search(names[found[1]]) is not None
        elif found := re.match(r"cfn=\((\d+)\) (.*)", line):
            names[found[1]] = found[2]
        elif line.startswith("calls="):
            callee = True
        elif line[:1] in "0123456789+-*" and line:
            # The line behind `calls=` is what the callee took.
            hashing += int(line.split()[1]) if hashing_now and not callee else 0
            callee = False
    return total - hashing * 9 / 10


def expected():
    lines = (line for line in EXPECTED.read_text().splitlines() if line and not line.startswith("#"))
    return {name: int(instructions.replace(",", "")) for instructions, name in (line.strip().split("  ", 1) for line in lines)}


def tools():
    compiler = subprocess.run(["rustc", "--version"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    valgrind = subprocess.run(["valgrind", "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return " ".join([*compiler.stdout.split()[:2], "and", valgrind.stdout.strip()])


def judge(counted, before, tolerance):
    """Names of parts that grew, and of those that shrank, by more than is let pass."""
    grown = [name for name, instructions in counted.items() if instructions > before[name] * (1 + tolerance)]
    shrunk = [name for name, instructions in counted.items() if instructions < before[name] * (1 - tolerance)]
    return grown, shrunk


def compare(counted, dumps):
    before = expected()
    if list(counted) != list(before):
        others = ", ".join(sorted(set(counted) ^ set(before))) or "their order"
        sys.exit(f"{EXPECTED.name} lists other parts than there are ({others}): run scripts/guard.py --accept")
    tolerance = TOLERANCE
    if f"# Made by {tools()}\n" not in EXPECTED.read_text():
        tolerance = WIDE_TOLERANCE
        print(f"{EXPECTED.name} was made by other tools than {tools()}, so {tolerance:.0%} more are let pass; scripts/guard.py --accept would make it anew\n")
    grown, shrunk = judge(counted, before, tolerance)
    for name, instructions in counted.items():
        told = "  GREW" if name in grown else "  shrank" if name in shrunk else ""
        print(f"{instructions:>12,}  {100 * (instructions / before[name] - 1):+6.1f} %  {name}{told}")
    if shrunk:
        print("\nWhat shrank this far can grow back unnoticed: scripts/guard.py --accept keeps the gain.")
    for name in grown:
        print(f"\n{name}: {counted[name]:,} instructions, which were {before[name]:,}. Where they are now, with what is called from there:")
        print(functions(dumps[name]))
    if grown:
        sys.exit(
            f"\n{len(grown)} of {len(counted)} parts take over {tolerance:.0%} more instructions than they did: {'; '.join(grown)}.\n"
            "If they shall, run scripts/guard.py --accept, and say in the commit why."
        )
    print(f"\nNo part takes more instructions than it did ({tolerance:.0%} are let pass).")


def functions(dump):
    """The functions with the most instructions."""
    annotated = subprocess.run(["callgrind_annotate", "--auto=no", "--inclusive=yes", dump], stdout=subprocess.PIPE, text=True, check=False)
    rows = [line for line in annotated.stdout.splitlines() if re.match(r"\s*[\d,]+ .*:", line) and not AROUND.search(line)]
    # Without the files, which are not known or of no use, and without the program's path.
    return "\n".join(re.sub(r"\?\?\?:|\S+\.\w+:(?!:)", "", re.sub(r" \[\S*\]$", "", row))[:160] for row in rows[:12])


def self_test(program, directory):
    before = expected()
    for twice in TWICE:
        counted, _ = count(program, directory, TWICE, twice)
        grown, _ = judge(counted, before, WIDE_TOLERANCE)
        if grown != [twice]:
            sys.exit(f"with twice the work in \"{twice}\" the parts that grew are said to be {grown}: {counted}")
        print(f"noticed: {twice}, done twice, takes {counted[twice]:,} instructions and not {before[twice]:,}")
    halved = {name: instructions // 2 for name, instructions in before.items()}
    if judge(halved, before, TOLERANCE) != ([], list(before)):
        sys.exit("parts that take half are not said to have shrunk")
    print("noticed: parts that shrink")


main()
