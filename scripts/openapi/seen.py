"""Says what schemathesis has seen of what a document promises, and fails if there is a call whose good answer it never saw.

usage: seen.py OPENAPI.json REPORT.ndjson…      the reports of runs against logs of both kinds
"""

import collections
import json
import re
import sys

# Tiles that only a log of more than 256,000 entries has.
TOO_HIGH = re.compile(r"/x\{high")


def statuses(reports):
    """Which statuses each operation was answered with, and how often."""
    seen = collections.defaultdict(collections.Counter)
    for report in reports:
        with open(report, encoding="utf-8") as lines:
            for line in lines:
                recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
                for interaction in recorder.get("interactions", {}).values():
                    response = interaction["response"]
                    # A call of another method than the document has is about that method.
                    if response and recorder["label"].startswith(interaction["request"]["method"] + " "):
                        seen[recorder["label"]][str(response["status_code"])] += 1
    return seen


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    seen = statuses(sys.argv[2:])
    print(f"{sum(sum(counts.values()) for counts in seen.values())} answers of {len(seen)} operations")
    never, unseen = [], collections.Counter()
    for path, item in document["paths"].items():
        for method in ("get", "head", "post"):
            if method not in item:
                continue
            counts = seen[f"{method.upper()} {path}"]
            if not counts["200"] and not TOO_HIGH.search(path):
                never.append(f"{method.upper()} {path}")
            unseen.update(status for status in item[method]["responses"] if not counts[status])
    print("documented and never met by chance:", ", ".join(f"{status} of {count} operations" for status, count in sorted(unseen.items())))
    if never:
        sys.exit(f"never answered with 200, so that no good answer was compared: {', '.join(never)}")


if __name__ == "__main__":
    main()
