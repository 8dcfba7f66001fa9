"""Makes a log of statements refuse what chance would not think of, and compares the answers with the document.

usage: refusals.py OPENAPI.json URL      entry 2 of the log is a decision
"""

import sys

import requests
import schemathesis


def main():
    document, url = sys.argv[1:]
    paths = schemathesis.openapi.from_path(document)
    bundle = requests.get(f"{url}/tile/entries/000.p/3").content
    for _ in range(2):
        bundle = bundle[2 + int.from_bytes(bundle[:2], "big"):]
    decision = bundle[2:]
    # Without the line that signs it.
    unsigned = decision[:decision.index(b"\n\n") + 2]
    for path, body, headers, status, problem in [
        ("/add", decision, {}, 200, None),
        ("/add", decision.replace(b"Roof", b"Loft"), {}, 403, "bad-signature"),
        ("/add", decision.replace(b"openapi.example/", b"another.example/"), {}, 422, "other-log"),
        ("/add", unsigned, {}, 400, "not-a-statement"),
        ("/add", b"x" * 65536, {}, 413, "entry-too-large"),
        ("/add", decision, {"Content-Encoding": "gzip"}, 415, "encoded-body"),
        ("/add-batch", bytes(9 << 20), {}, 413, "batch-too-large"),
        ("/add-batch", decision, {"Content-Encoding": "gzip"}, 415, "encoded-body"),
        ("/add-batch", decision, {}, 400, "malformed-batch"),
    ]:
        answer = requests.post(url + path, data=body, headers={"Content-Type": "application/octet-stream", **headers})
        said = answer.json()["type"].rsplit(":", 1)[1] if status != 200 else None
        if (answer.status_code, said) != (status, problem):
            sys.exit(f"{path} answered {answer.status_code} {said} instead of {status} {problem}: {answer.text[:300]}")
        # Of a status that the document does not have this would say nothing.
        if str(status) not in paths.raw_schema["paths"][path]["post"]["responses"]:
            sys.exit(f"{path}: the document does not have {status}")
        paths[path]["POST"].validate_response(answer)
        print(f"{path}: {status} {problem or ''}")


if __name__ == "__main__":
    main()
