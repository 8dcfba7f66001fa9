#!/usr/bin/env python3
"""Computes the ledger of a log of statements from its entries: who may issue what, which numbers are used, which decisions stand.

The entries come from a tree of files as `acta-log export` writes it. They are taken as they are: that they hash up to a signed head is for
`acta audit` to say. Printed are entries that should not have been admitted, and the hash of the ledger's snapshot, by which two programs
see whether they agree. docs/formats.md has the rules. acta_verify.py, beside this file, has notes, keys and signatures.

Exit status: 0 all entries are admitted, 1 at least one is not, 2 a file cannot be read.
"""
import argparse
import datetime
import json
import re
import sys
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from acta_verify import ED25519, Checkpoint, new_key, parse_note, printable, verify

SCHEMAS = Path(__file__).resolve().parents[3] / "decision" / "schemas"
MAX_ENTRY, MAX_LINES, MAX_DEPTH, MAX_EXACT, MAX_KEYS, WINDOW = 65535, 48, 16, 2**53 - 1, 256, 10_000
SUCCESSIONS = ["corrects", "supersedes", "revokes"]


class Refused(ValueError):
    """Why an entry is not admitted: a name of docs/problems.md."""


def require(condition, name):
    if not condition:
        raise Refused(name)


# Canonical JSON (RFC 8785).
def parse_json(line):
    def members(pairs):
        require(len({name for name, _ in pairs}) == len(pairs), "duplicate-member")
        return dict(pairs)

    def integer(text):
        require(abs(int(text)) <= MAX_EXACT, "inexact-number")
        return int(text)

    def number(text):
        require(float(text) - float(text) == 0, "malformed-json")  # it is not infinite
        return float(text)
    try:
        value = json.loads(line, object_pairs_hook=members, parse_int=integer, parse_float=number, parse_constant=number)
    except RecursionError:
        raise Refused("too-deep") from None
    except json.JSONDecodeError:
        raise Refused("malformed-json") from None
    require(isinstance(value, dict), "not-an-object")
    require(depth(value) <= MAX_DEPTH, "too-deep")
    require(canonical(value) == line, "not-canonical")
    return value


def depth(value):
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(depth, parts), default=0)


def canonical(value):
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return ecmascript(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def ecmascript(value):
    """A number as ECMAScript prints it: the shortest digits that are read as the same double."""
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + exponent  # where in the digits the point is
    if 0 < point <= 21:
        text = text.ljust(point, "0")
        text = text[:point] + ("." + text[point:] if text[point:] else "")
    elif -6 < point <= 0:
        text = "0." + "0" * -point + text
    else:
        text = text[0] + ("." + text[1:] if text[1:] else "") + f"e{point - 1:+}"
    return "-" * sign + text


# The members of each type: what of JSON Schema decision/schemas/ uses, and what a schema cannot say.
TYPES = {path.name.split(".")[0]: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")}
JSON_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}


def fits(value, schema):
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")]) and not isinstance(value, bool)
    if not isinstance(value, JSON_TYPES[schema["type"]]) or isinstance(value, bool) != (schema["type"] == "boolean"):
        return False
    if isinstance(value, str):
        # Lengths are of UTF-8.
        length = schema.get("minLength", 0) <= len(value.encode(errors="replace")) <= schema.get("maxLength", MAX_ENTRY)
        return length and re.fullmatch(schema.get("pattern", "^.*$")[1:-1], value) is not None
    if isinstance(value, list):
        bounds = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", MAX_ENTRY)
        return bounds and all(fits(item, schema["items"]) for item in value)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        bounds = schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", MAX_ENTRY)
        named = "propertyNames" not in schema or all(fits(name, {"type": "string"} | schema["propertyNames"]) for name in value)
        members = all(fits(part, known.get(name, others)) for name, part in value.items() if name in known or others)
        return bounds and named and members and set(schema.get("required", [])) <= set(value)
    return schema.get("minimum", value) <= value <= schema.get("maximum", value)


def check_members(said):
    kind = said.get("type")
    require(isinstance(kind, str) and kind in TYPES, "unknown-type")
    sound = {**said, "threshold": max(said["threshold"], 1)} if isinstance(said.get("threshold"), int) else said
    require(fits(sound, TYPES[kind]), "bad-field")
    keys = [parse_vkey(vkey) for vkey in said.get("registrars", []) + said.get("keys", []) + ([said["key"]] if "key" in said else [])]
    for name in {"issued", "decided", "effective", "until"} & set(said):
        require(exists(said[name]), "bad-field")
    if kind in ("charter", "registrar"):
        distinct = len({(key.name, key.id) for key in keys}) == len({key.public for key in keys}) == len(keys)
        require(distinct and 1 <= said["threshold"] <= len(keys), "bad-threshold")
    if kind == "issuer":
        require(len({(key.name, key.id) for key in keys}) == len(keys), "repeated-key")
    require(kind != "key" or said["action"] == "retire" or "doubt_from" not in said, "doubt-without-retirement")
    succeeded = [relation["index"] for relation in said.get("relates", []) if relation["rel"] in SUCCESSIONS]
    require(len(set(succeeded)) == len(succeeded), "related-twice")


def exists(moment):
    year, month, day = map(int, moment[:10].split("-"))
    try:
        return bool(datetime.date(2000 + year % 400, month, day))
    except ValueError:
        return False


def parse_vkey(vkey):
    try:
        key = new_key(vkey.encode(), [])
    except ValueError:
        key = None
    require(key and key.type == ED25519 and len(vkey) <= 512, "bad-field")
    return key


# Statements.
def parse_statement(entry):
    require(len(entry) <= MAX_ENTRY, "entry-too-large")
    try:
        text, lines = parse_note(entry.decode())
    except ValueError:
        raise Refused("not-a-statement") from None
    require(text.count("\n") == 1, "not-one-line")
    said = parse_json(text[:-1])
    check_members(said)
    require(len(lines) <= MAX_LINES, "too-many-signatures")
    places = [(name.encode(), key_id) for name, key_id, _ in lines]
    for before, after in zip(places, places[1:]):
        require(before != after, "signed-twice")
        require(before < after, "unsorted-signatures")
    return text, said, lines


def signers_of(text, lines, vkeys):
    """The keys that have signed, in the order of the lines: each line must be of one of `vkeys`, and good."""
    keys = {vkey: new_key(vkey.encode(), []) for vkey in vkeys}
    signers = []
    for name, key_id, signature in lines:
        known = [vkey for vkey, key in keys.items() if (key.name, key.id) == (name, key_id)]
        require(known, "unknown-signer")
        good = [vkey for vkey in known if verify(keys[vkey], Checkpoint(text, *[None] * 5), signature) is not None]
        require(good, "bad-signature")
        signers.append(good[0])
    return signers


# The rules.
class Ledger:
    def __init__(self, log, log_key):
        self.log, self.log_key, self.size = log, log_key, 0
        self.registrars, self.issuers, self.entries, self.series, self.texts = None, {}, {}, {}, {}

    def push(self, entry):
        """Takes the next entry; `Refused` if it is not admitted. It has its index all the same."""
        index, leaf = self.size, sha256(b"\0" + entry).digest()
        self.size += 1
        text, said, lines = parse_statement(entry)
        identity = sha256(text.encode()).digest()
        require(said["log"] == self.log, "other-log")
        require(identity not in self.texts, "already-published")
        signers = signers_of(text, lines, self.candidates(said))
        # Each rule changes something only after all that it requires.
        rules = {"charter": self.charter, "registrar": self.registrar, "issuer": self.registration, "key": self.key_change}
        self.entries[index] = rules.get(said["type"], self.numbered)(index, said, signers) | {"leaf": leaf}
        self.texts[identity] = index

    def candidates(self, said):
        if said["type"] == "charter":
            return [self.log_key]
        require(self.registrars, "no-charter")
        registrars, keys = self.registrars["keys"], [key["vkey"] for key in self.issuers.get(said.get("issuer"), {"keys": []})["keys"]]
        require(said["type"] in ("registrar", "issuer") or said["issuer"] in self.issuers, "unregistered-issuer")
        ours = {"registrar": registrars, "issuer": registrars + said.get("keys", []), "key": registrars + keys + [said.get("key")]}
        return ours.get(said["type"], keys)

    def signed_by_registrars(self, signers, others=()):
        require(all(signer in self.registrars["keys"] or signer in others for signer in signers), "superfluous-signature")
        require(sum(signer in self.registrars["keys"] for signer in signers) >= self.registrars["threshold"], "too-few-registrars")
        require(set(others) <= set(signers), "no-proof-of-possession")

    def signed_by_issuer(self, name, signers, others=()):
        issuer = self.issuers[name]
        require(issuer["retired"] is None, "retired-issuer")
        vkeys = [key["vkey"] for key in issuer["keys"]]
        own = [signer for signer in signers if signer in vkeys]
        require(set(signers) <= set(own[:1]) | set(others), "superfluous-signature")
        require(own, "not-signed-by-issuer")
        place = vkeys.index(own[0])
        require(issuer["keys"][place]["retired"] is None, "retired-key")
        require(set(others) <= set(signers), "no-proof-of-possession")
        return place

    def charter(self, index, said, signers):
        require(index == 0, "charter-not-first")
        require(said["version"] == 1, "charter-version")
        self.registrars = {"keys": said["registrars"], "threshold": said["threshold"], "since": index}
        return {"what": 0}

    def registrar(self, index, said, signers):
        self.signed_by_registrars(signers)
        self.registrars = {"keys": said["registrars"], "threshold": said["threshold"], "since": index}
        return {"what": 1}

    def registration(self, index, said, signers):
        self.signed_by_registrars(signers, said.get("keys", []))
        before = self.issuers.get(said["issuer"], {"keys": [], "registered": index, "retired": None})
        retired = before["retired"] if before["retired"] is not None else index
        issuer = {"names": said["names"], "kinds": said["kinds"], "may_overrule": said.get("may_overrule", []), "keys": list(before["keys"]),
                  "registered": before["registered"], "retired": retired if said.get("retired") else None}
        for vkey in said.get("keys", []):
            self.add_key(index, said["issuer"], issuer, vkey)
        self.issuers[said["issuer"]] = issuer
        return {"what": 2, "issuer": said["issuer"]}

    def add_key(self, index, name, issuer, vkey):
        require(re.match(re.escape(name) + r"[+/]", vkey), "key-of-another-name")
        known = {tuple(key["vkey"].split("+")[:2]) for key in issuer["keys"]}
        require(tuple(vkey.split("+")[:2]) not in known, "known-key")
        require(len(issuer["keys"]) < MAX_KEYS, "too-many-keys")
        issuer["keys"].append({"vkey": vkey, "added": index, "retired": None, "doubt_from": None})

    def key_change(self, index, said, signers):
        name, vkey, doubt_from = said["issuer"], said["key"], said.get("doubt_from")
        issuer = self.issuers[name]
        by_registrars = any(signer in self.registrars["keys"] for signer in signers)
        if said["action"] == "add":
            self.signed_by_registrars(signers, [vkey]) if by_registrars else self.signed_by_issuer(name, signers, [vkey])
            self.add_key(index, name, issuer, vkey)
            return {"what": 3, "issuer": name}
        key = next((key for key in issuer["keys"] if key["vkey"] == vkey), None)
        require(key, "no-such-key")
        if by_registrars:
            self.signed_by_registrars(signers)
        else:
            require(signers == [vkey], "retires-another-key")
            self.signed_by_issuer(name, signers)
            require(doubt_from is None, "doubt-by-issuer")
        require(key["retired"] is None or doubt_from is not None, "retired-key")
        require(doubt_from is None or doubt_from < index, "doubt-not-earlier")
        key["retired"] = index if key["retired"] is None else key["retired"]
        key["doubt_from"] = min((doubt for doubt in (key["doubt_from"], doubt_from) if doubt is not None), default=None)
        return {"what": 3, "issuer": name}

    def numbered(self, index, said, signers):
        issuer, kind, seq, is_decision = said["issuer"], said["kind"], said["seq"], said["type"] == "decision"
        place = self.signed_by_issuer(issuer, signers)
        require(not is_decision or any(matches(pattern, kind) for pattern in self.issuers[issuer]["kinds"]), "kind-not-allowed")
        series = self.series.get((issuer, said["series"]), {"used": {}, "last": None})
        require(seq not in series["used"], "number-used")
        require(series["last"] is None or seq <= series["last"], "series-closed")
        require(seq <= without_gap(series) + WINDOW, "number-too-high")
        closes = not is_decision and kind == "close"
        require(not closes or seq >= max(series["used"], default=0), "closed-too-low")
        succeeded = {relation["index"]: relation["rel"] for relation in said.get("relates", []) if self.succeeds(said, relation)}
        for earlier, relation in succeeded.items():
            self.entries[earlier]["successor"] = (SUCCESSIONS.index(relation), index)
        self.series[issuer, said["series"]] = {"used": {**series["used"], seq: index}, "last": seq if closes else series["last"]}
        return {"what": 4 if is_decision else 5, "issuer": issuer, "series": said["series"], "seq": seq, "kind": kind, "key": place}

    def succeeds(self, said, relation):
        earlier = self.entries.get(relation["index"])
        require(earlier, "no-such-entry")
        require(earlier["leaf"].hex() == relation["leaf"], "other-entry")
        if relation["rel"] not in SUCCESSIONS:
            return False
        require(said["type"] == "decision", "annotation-decides")
        require(earlier["what"] == 4, "not-a-decision")
        rights = [{"issuer": said["issuer"], "kinds": ["*"]}] + self.issuers[said["issuer"]]["may_overrule"]
        require(any(right["issuer"] in ("*", earlier["issuer"]) and any(matches(pattern, earlier["kind"]) for pattern in right["kinds"])
                    for right in rights), "not-overruled")
        successor = earlier.get("successor")
        require(successor is None, "revoked" if successor and successor[0] == 2 else "has-successor")
        return True

    def snapshot(self):
        rows = {b"t" + identity: number(index) for identity, index in self.texts.items()}
        if self.registrars:
            rows[b"c"] = values(self.registrars["keys"], text) + number(self.registrars["threshold"]) + number(self.registrars["since"])
        for name, issuer in self.issuers.items():
            rows[b"i" + name.encode()] = issuer_row(issuer)
        for index, entry in self.entries.items():
            rows[b"e" + index.to_bytes(8, "big")] = entry_row(entry)
        for (issuer, name), series in self.series.items():
            key = issuer.encode() + b"\0" + name.encode()
            rows[b"s" + key] = series_row(series)
            rows.update({b"n" + key + b"\0" + seq.to_bytes(8, "big"): number(index) for seq, index in series["used"].items()})
        parts = [len(part).to_bytes(4, "big") + part for row in sorted(rows.items()) for part in row]
        snapshot = b"acta ledger snapshot v1\n" + self.size.to_bytes(8, "big") + b"".join(parts)
        return snapshot + sha256(snapshot).digest()


def matches(pattern, kind):
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern


def without_gap(series):
    return next(seq for seq in range(len(series["used"]) + 1) if seq + 1 not in series["used"])


# Rows of a snapshot.
def issuer_row(issuer):
    names = values(sorted(issuer["names"].items()), lambda pair: text(pair[0]) + text(pair[1]))
    rights = values(issuer["may_overrule"], lambda right: text(right["issuer"]) + values(right["kinds"], text))
    keys = values(issuer["keys"], lambda key: text(key["vkey"]) + number(key["added"]) + perhaps(key["retired"]) + perhaps(key["doubt_from"]))
    return names + values(issuer["kinds"], text) + rights + keys + number(issuer["registered"]) + perhaps(issuer["retired"])


def entry_row(entry):
    row = entry["leaf"] + number(entry["what"])
    if "issuer" in entry:
        row += text(entry["issuer"])
    if "seq" in entry:
        row += text(entry["series"]) + number(entry["seq"]) + text(entry["kind"]) + number(entry["key"])
    if entry["what"] == 4:
        row += b"\0" if "successor" not in entry else b"\1" + b"".join(map(number, entry["successor"]))
    return row


def series_row(series):
    contiguous = without_gap(series)
    bits = sum(1 << (seq - contiguous - 1) for seq in series["used"] if seq > contiguous)
    above = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    return number(contiguous) + number(len(above)) + above + perhaps(series["last"])


def number(value):
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + number(value // 128)


def text(value):
    return number(len(value.encode())) + value.encode()


def values(items, encode):
    return number(len(items)) + b"".join(map(encode, items))


def perhaps(value):
    return b"\0" if value is None else b"\1" + number(value)


def entries_of(tree):
    """The entries of an exported tree, as far as its checkpoint reaches."""
    size = int((tree / "checkpoint").read_text().split("\n")[1])
    for bundle in range((size + 255) // 256):
        path = str(bundle % 1000).zfill(3)
        while bundle >= 1000:
            bundle //= 1000
            path = f"x{bundle % 1000:03}/{path}"
        file = tree / "tile" / "entries" / path
        data = (file if file.exists() else next(file.parent.glob(file.name + ".p/*"))).read_bytes()
        while data:
            length = 2 + int.from_bytes(data[:2], "big")
            yield data[2:length]
            data = data[length:]


def main():
    parser = argparse.ArgumentParser(description="Computes the ledger of a log of statements from its entries.")
    parser.add_argument("--log-key", required=True, metavar="VKEY", help="the log's verifier key, whose name is the log's")
    parser.add_argument("tree", type=Path, help="a directory that `acta-log export` wrote")
    arguments, bad = parser.parse_args(), 0
    try:
        ledger = Ledger(new_key(arguments.log_key.encode(), []).name, arguments.log_key)
        for entry in entries_of(arguments.tree):
            try:
                ledger.push(entry)
            except Refused as reason:
                print(f"entry {ledger.size - 1}: {reason}")
                bad = 1
    except (OSError, ValueError) as error:
        print(printable(f"{arguments.tree}: {error}"), file=sys.stderr)
        return 2
    print(f"{ledger.size} entries, ledger {sha256(ledger.snapshot()).hexdigest()}")
    return bad


if __name__ == "__main__":
    sys.exit(main())
