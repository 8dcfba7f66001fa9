"""Receipts of our log under a quorum of two of three witnesses: scripts/bench-receipts.sh, whose table is taken over."""

import os
import pathlib

from machine import output, say

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "bench-receipts.sh"


def measure(context):
    say("Receipts: five runs, with and without witnesses")
    printed = output(SCRIPT, context.pace.short + 3, env={**os.environ, "PROGRAMS": str(context.programs)})
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line.startswith("| ")]
    for row in rows[1:]:
        say(f"  {row[0]}: {row[1]}/s, p50 {row[2]} ms, p99 {row[3]} ms")
    context.keep("receipts", "headings", rows[0])
    context.keep("receipts", "rows", rows[1:])
