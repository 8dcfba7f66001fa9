#!/usr/bin/env python3
"""Reads every entry of a log over HTTP and compares them with the distinct lines of a file: each exactly once, and nothing else.

Deliberately shares no code with Acta: it knows the paths and the encoding of tlog-tiles, and nothing more.
"""
import collections
import sys
import urllib.request


def bundle_path(number, width):
    digits = f"{number:0{-(-len(str(number)) // 3) * 3}d}"
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    path = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    return f"/tile/entries/{path}" + ("" if width == 256 else f".p/{width}")


def entries(bundle):
    at = 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at:at + 2], "big")
        entry = bundle[at + 2:at + 2 + length]
        if len(entry) != length:
            sys.exit("a bundle ends in the middle of an entry")
        yield entry
        at += 2 + length


def main():
    url, lines = sys.argv[1:]
    def get(path):
        return urllib.request.urlopen(url + path, timeout=30).read()
    size = int(get("/checkpoint").split(b"\n")[1])
    held = collections.Counter()
    for first in range(0, size, 256):
        width = min(256, size - first)
        found = list(entries(get(bundle_path(first // 256, width))))
        if len(found) != width:
            sys.exit(f"the bundle at {first} has {len(found)} entries instead of {width}")
        held.update(found)
    with open(lines, "rb") as file:
        wanted = {line.rstrip(b"\n") for line in file}
    twice = [entry for entry, count in held.items() if count > 1]
    if twice:
        sys.exit(f"{len(twice)} entries are in the log more than once; the first: {twice[0]!r}")
    if set(held) != wanted:
        sys.exit(f"{len(wanted - set(held))} lines are missing from the log, {len(set(held) - wanted)} entries are not in the file")
    print(f"{size} entries, each distinct line once")


main()
