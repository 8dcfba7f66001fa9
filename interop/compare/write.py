#!/usr/bin/env python3
"""Puts what compare.py measured into docs/benchmarks.md, between its marks `<!-- measured: NAME -->` and `<!-- /measured: NAME -->`.

    interop/compare/write.py FILE.json [--docs FILE.md]

What stands between marks is replaced; the rest is not touched. A part that the file does not have stays as it is.
"""

import argparse
import json
import pathlib
import re
import sys

import tables
import targets

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
PARTS = {"adds": tables.adds, "batches": tables.batches, "tiles": tables.tiles, "audits": tables.audits, "receipts": tables.receipts, "witnesses": tables.witnesses,
         "statements": tables.statements}


def when(part):
    return f"{part['when']['date']}, load average {part['when']['load_average']:.1f} at its beginning; {part.get('took_seconds', 0):.0f} s."


def blocks(measured):
    machine, parts = measured["machine"], measured["parts"]
    kept = {name: part for name, part in parts.items() if "skipped" not in part}
    days = sorted({part["when"]["date"][:10] for part in parts.values()})
    about = f"{' and '.join(days)}; {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB of memory, {machine['system']}."
    yield "targets", [about, tables.table(["what", "target", "ours", "theirs", "ratio", "met"], [row.cells for row in targets.rows(kept)])]
    for name, part in parts.items():
        if "skipped" in part:
            yield name, [f"Not measured in this run: {part['skipped']}."]
            continue
        try:
            written = list(PARTS[name](part))
        except (KeyError, IndexError) as missing:
            written = [f"This part was cut short, so that its tables are not complete ({missing} is missing)."]
        yield name, [when(part), *written]


def put(text, name, paragraphs):
    begin, end = f"<!-- measured: {name} -->", f"<!-- /measured: {name} -->"
    replaced, count = re.subn(f"{begin}.*?{end}", lambda _: "\n\n".join([begin, *paragraphs, end]), text, flags=re.DOTALL)
    if count != 1:
        sys.exit(f"the document has {count} places for {name}, marked {begin} and {end}")
    return replaced


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("measured", type=pathlib.Path)
    arguments.add_argument("--docs", type=pathlib.Path, default=DOCS)
    given = arguments.parse_args()
    text = given.docs.read_text()
    for name, paragraphs in blocks(json.loads(given.measured.read_text())):
        text = put(text, name, paragraphs)
    given.docs.write_text(text)


if __name__ == "__main__":
    main()
