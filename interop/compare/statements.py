"""What admitting signed statements costs beside verifying their signatures: the benchmark of log-server, whose rates are taken over."""

import os
import pathlib
import re

from machine import output, say

ROOT = pathlib.Path(__file__).resolve().parents[2]


def measure(context):
    say("Statements: building and running the benchmark of admission")
    printed = output("cargo", "bench", "-p", "log-server", "--bench", "admission", "--target-dir", context.target, cwd=ROOT,
                     env={**os.environ, "ACTA_STATEMENTS": str(context.pace.statements)})
    rates = re.findall(r"^(.+?) +(\d+)/s +([\d.]+) % of ring", printed, re.M)
    clock = re.search(r"^end to end by the clock.*: (\d+)/s, ([\d.]+) % of ring", printed, re.M)
    rates.append(("end to end by /add-batch, by the clock", *clock.groups()))
    for what, rate, share in rates:
        say(f"  {what}: {int(rate):,}/s, {share} % of ring")
    context.keep("statements", "rates", [{"what": what, "per_second": int(rate), "percent_of_ring": float(share)} for what, rate, share in rates])
