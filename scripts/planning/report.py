"""The figures of docs/isle-of-man.md: what a monitor found in a planning register, and what its export says beyond that.

    report.py WORK SECONDS     WORK as scripts/isle-of-man.sh leaves it, SECONDS that the monitor took
"""

import collections
import json
import pathlib
import re
import statistics
import sys
from datetime import date

REFERENCE = re.compile(r"(\d\d)/(\d{5})/([A-Z]+)")


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def application(published):
    """Year and number of the application that a decision is about; None if it is not numbered in that way."""
    found = REFERENCE.fullmatch(published["statement"].get("data", {}).get("application", ""))
    return (2000 + int(found[1]), int(found[2])) if found else None


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "|".join("--:" if index else "---" for index in range(len(head))) + "|")
    for row in rows:
        print("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) and cell > 9999 else str(cell) for cell in row) + " |")
    print()


def findings(work, seconds):
    found = lines(work / "findings.jsonl")
    published = lines(work / "published.jsonl")
    print(f"{len(published):,} decisions and appeals read, judged and kept in {seconds} s; {len(found):,} findings.\n")
    counts = collections.Counter((each["code"], each["severity"]) for each in found)
    table(["code", "severity", "findings"], [(f"`{code}`", severity, count) for (code, severity), count in counts.most_common()])
    return published


def numbering(published):
    """Numbers are given to applications when they come in, so a number without a decision is one that was not decided, or not published."""
    by_year = collections.defaultdict(set)
    unnumbered = 0
    for each in published:
        if each["series"] == "decisions":
            if number := application(each):
                by_year[number[0]].add(number[1])
            else:
                unnumbered += 1
    rows = []
    for year, numbers in sorted(by_year.items()):
        for number, counted in enumerate(ranges(sorted(numbers))):
            first = 1 if number == 0 else counted[0]
            runs = [(after - before - 1, before + 1) for before, after in zip([first - 1, *counted], counted)]
            longest, at = max(runs)
            size = counted[-1] - first + 1
            missing = size - len(counted)
            longest = f"{longest} from {at:05}" if longest else "–"
            rows.append((year, f"{first:05} to {counted[-1]:05}", len(counted), missing, f"{100 * missing / size:.1f} %", longest))
    table(["applications of", "numbers", "with a decision", "without", "share", "longest run without"], rows)
    print(f"{unnumbered:,} decisions name no application of the usual form.\n")


def ranges(numbers):
    """Numbers that are more than a thousand apart were counted by different counters, or are slips of the pen."""
    parts = [[numbers[0]]]
    for before, number in zip(numbers, numbers[1:]):
        if number - before > 1000:
            parts.append([])
        parts[-1].append(number)
    return parts


def delays(published):
    """From the day of a decision to its appeal's decision; and how long an application took, by the year of its number."""
    decided = {each["index"]: date.fromisoformat(each["decided"]) for each in published}
    days = []
    for each in published:
        for relation in each["relates"]:
            kind, index = relation.split()
            if kind == "appeals" and int(index) in decided:
                days.append((decided[each["index"]] - decided[int(index)]).days)
    days.sort()
    negative = sum(1 for each in days if each < 0)
    print(f"From a decision to the decision of its appeal, {len(days):,} appeals: half within {statistics.median_low(days)} days, nine of ten within "
          f"{days[len(days) * 9 // 10]}, the longest {days[-1]:,}; {negative} are dated before the decision that they are about.\n")


def overturned(published):
    standing = collections.Counter(each["standing"] for each in published if each["series"] == "decisions")
    by = {each["index"]: each for each in published}
    changed = collections.Counter()
    for each in published:
        if each["standing"] == "superseded" and each["by"] in by:
            changed[(each["outcome"], by[each["by"]]["outcome"])] += 1
    table(["decision", "then", "how often"], [(before, after, count) for (before, after), count in changed.most_common()])
    total = sum(standing.values())
    print("Of " + f"{total:,} decisions " + ", ".join(f"{count:,} are {name}" for name, count in standing.most_common()) + ".\n")
    units = collections.Counter(each["unit"] for each in published if each["standing"] == "superseded")
    all_of = collections.Counter(each["unit"] for each in published if each["series"] == "decisions")
    rows = [(unit or "(none)", all_of[unit], count, f"{100 * count / all_of[unit]:.1f} %") for unit, count in units.most_common(8)]
    table(["decided by", "decisions", "overturned", "share"], rows)


def twice(published):
    seen = collections.defaultdict(list)
    for each in published:
        if each["series"] == "decisions":
            seen[each["statement"].get("data", {}).get("application")].append(each["index"])
    doubled = {reference: indexes for reference, indexes in seen.items() if len(indexes) > 1}
    print(f"Decided twice under one reference: {len(doubled)}: " + ", ".join(f"{reference} (entries {indexes})" for reference, indexes in doubled.items()) + "\n")


def main():
    published = findings(pathlib.Path(sys.argv[1]), sys.argv[2])
    numbering(published)
    delays(published)
    overturned(published)
    twice(published)


if __name__ == "__main__":
    main()
