#!/usr/bin/env python3
"""Checks receipts of a transparency log, offline: what `acta verify` does, in one file.

A receipt proves that a log has published an entry. The policy says which log is believed, and how many witnesses must have signed what it
showed. Exit status: 0 all receipts are good, 1 at least one is not, 2 a file cannot be read or is no policy.

docs/formats.md says how the files are made. What it takes besides Python is the package `cryptography`, for signatures. If that cannot
verify ML-DSA-44 (before version 47), lines of such keys are ignored like those of strangers: they never count.
"""
import argparse
import base64
import datetime
import re
import sys
from collections import Counter, namedtuple
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
    MLDSA44PublicKey.from_public_bytes(bytes(1312))
except (ImportError, UnsupportedAlgorithm):
    MLDSA44PublicKey = None

# The most that a file may have: bytes of each part, hashes of a proof, signature lines of one key, entries of a log, lines of a policy.
MAX_RECEIPT, MAX_POLICY, MAX_EXTRA, MAX_NOTE, MAX_CHECKPOINT = 2**20, 2**20, 2**19, 2**17, 2**14
MAX_HASHES, MAX_LINES_OF_A_KEY, MAX_SIZE, MAX_DEFINITIONS = 63, 16, 2**63, 1024

Receipt = namedtuple("Receipt", "entry index checkpoint witnesses")
Checkpoint = namedtuple("Checkpoint", "text origin size root extensions lines")
Key = namedtuple("Key", "name id type public")

ED25519, COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06  # the types of keys, each with the length of its public half
KEY_LENGTHS = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
KEY_NAME = r"([^\s+\0-\x1f]+)"


def require(condition, reason):
    """Whatever is wrong with a file is a ValueError, as it is already where Python cannot decode something."""
    if not condition:
        raise ValueError(reason)


# Receipts (C2SP tlog-proof).
def verify_receipt(policy, data):
    require(len(data) <= MAX_RECEIPT, "it is larger than any receipt")
    head, blank, note = data.decode().partition("\n\n")
    header, *lines = head.split("\n")
    require(header == "c2sp.org/tlog-proof@v1" and blank, "it does not start like a receipt, or it was cut short")
    entry = unbase64(lines.pop(0)[6:], "the entry") if lines and lines[0].startswith("extra ") else None
    require(lines and lines[0].startswith("index "), "the line `index` is missing")
    index = decimal(lines.pop(0)[6:], "the index")
    require(len(entry or "") <= MAX_EXTRA and len(lines) <= MAX_HASHES, "the entry or the proof is longer than any")
    proof = [unbase64(line, "a line of the proof", 32) for line in lines]
    checkpoint = parse_checkpoint(note)
    witnesses = policy.check(checkpoint)
    require(entry is not None, "it does not carry the entry that it is for")
    root = root_hash(sha256(b"\0" + entry).digest(), index, checkpoint.size, proof)
    require(root == checkpoint.root, "the proof does not lead from the entry to the checkpoint: something was changed")
    return Receipt(entry, index, checkpoint, witnesses)


def root_hash(leaf, index, size, proof):
    """The root hash that the proof leads to from a leaf (RFC 9162 section 2.1.3.2)."""
    require(index < size, "the entry lies beyond the checkpoint")
    result, last = leaf, size - 1
    for sibling in proof:
        require(last > 0, "the proof is too long for this entry and checkpoint")
        if index & 1 or index == last:
            result = sha256(b"\1" + sibling + result).digest()
            while not index & 1 and index:  # on these levels there is nothing to the right
                index, last = index >> 1, last >> 1
        else:
            result = sha256(b"\1" + result + sibling).digest()
        index, last = index >> 1, last >> 1
    require(last == 0, "the proof is too short for this entry and checkpoint")
    return result


# Checkpoints (C2SP signed-note, tlog-checkpoint).
def parse_checkpoint(note):
    text, lines = parse_note(note)
    require(len(text.encode()) <= MAX_CHECKPOINT and text.count("\n") >= 3, "this is not a checkpoint: it is too long or too short")
    origin, size, root, *extensions = text[:-1].split("\n")
    require(origin and all(extensions), "the checkpoint has an empty line in it")
    size = decimal(size, "the size of the log")
    require(size <= MAX_SIZE, "no log can have so many entries")
    return Checkpoint(text, origin, size, unbase64(root, "the root hash", 32), extensions, lines)


def parse_note(note):
    """The text, and the signature lines as name, key id and signature."""
    require(len(note.encode()) <= MAX_NOTE, "the signed note is larger than any")
    require(not re.search(r"[\0-\x09\x0b-\x1f]", note), "the signed note has a control character in it")
    text, blank, lines = note.rpartition("\n\n")
    require(blank and lines.endswith("\n"), "the signed note was cut short")
    return text + "\n", [parse_line(line) for line in lines[:-1].split("\n")]


def parse_line(line):
    match = re.fullmatch("\u2014 " + KEY_NAME + " (.+)", line)
    require(match, "a signature line is malformed")
    signature = unbase64(match[2], "a signature")
    require(len(signature) > 4, "a signature is too short")
    return match[1], signature[:4], signature[4:]


def newest_times(checkpoint, keys):
    """Of each key that has signed the checkpoint the newest time that it stated, 0 if none. One bad signature of a key refuses all."""
    times, count = {}, Counter()
    for name, key_id, signature in checkpoint.lines:
        claimed = [key for key in keys if (key.name, key.id) == (name, key_id) and (key.type != ML_DSA_44 or MLDSA44PublicKey)]
        count.update(claimed)
        require(max(count.values(), default=0) <= MAX_LINES_OF_A_KEY, f"there are too many signatures of {name}")
        stated = {key: time for key in claimed if (time := verify(key, checkpoint, signature)) is not None}
        require(stated or not claimed, f"the signature of {name} does not fit the checkpoint: something was changed")
        times.update({key: max(time, times.get(key, 0)) for key, time in stated.items()})
    return times


# Policies (C2SP tlog-policy).
class Policy:
    """Which logs to believe, and which witnesses must have signed. Names are bytes, since they need not be UTF-8."""

    def __init__(self, data):
        require(len(data) <= MAX_POLICY and data.endswith(b"\n"), "it is larger than any policy, or its last line is not whole")
        require(not re.search(rb"[\0-\x08\x0b-\x1f\x7f]", data), "it has a control character in it")
        self.logs, self.witnesses, self.groups, self.quorum = [], {}, {}, None
        self.names, self.members = set(), set()
        for number, line in enumerate(data[:-1].split(b"\n"), 1):
            words = [word for word in re.split(b"[ \t]", line) if word]
            try:
                if words and not words[0].startswith(b"#"):
                    self.define(*words)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
        require(self.quorum, "it has no quorum line")

    def define(self, keyword, *words):
        if keyword == b"log" and len(words) in (1, 2):
            self.logs.append(new_key(words[0], self.logs))
        elif keyword == b"witness" and len(words) in (2, 3):
            key = new_key(words[1], self.witnesses.values())
            require(key.type != ED25519, "the key is not of a kind that witnesses use")
            self.witnesses[self.name(words[0])] = key
        elif keyword == b"group" and len(words) >= 3:
            name, threshold, *members = words
            for member in members:
                require(member in self.names - self.members, "a member is not defined above, or is in a group already")
                self.members.add(member)
            threshold = {b"any": 1, b"all": len(members)}.get(threshold) or decimal(threshold.decode(), "the threshold")
            require(1 <= threshold <= len(members) and len(self.groups) < MAX_DEFINITIONS, "the threshold does not fit the group")
            self.groups[self.name(name)] = threshold, members
        elif keyword == b"quorum" and len(words) == 1:
            require(self.quorum is None, "there is a second quorum line")
            require(words[0] in {b"none"} | self.names, "the quorum is not defined above")
            self.quorum = words[0]
        else:
            raise ValueError("expected a log, a witness, a group or the quorum")

    def name(self, name):
        require(name not in {b"none"} | self.names, "the name is taken")
        self.names.add(name)
        return name

    def check(self, checkpoint):
        """The witnesses that have signed, each with its time, if they and the log's own signature are enough."""
        logs = [key for key in self.logs if key.name == checkpoint.origin]
        require(logs, "it is of a log that the policy does not list")
        signed = newest_times(checkpoint, logs)
        require(signed, "the log has not signed the checkpoint")
        # ML-DSA-44 does not cover extension lines, so anybody may have added them.
        covered = not checkpoint.extensions or any(key.type != ML_DSA_44 for key in signed)
        require(covered, "the checkpoint has extra lines that the log has not signed")
        times = newest_times(checkpoint, self.witnesses.values())
        witnesses = {name: times[key] for name, key in self.witnesses.items() if key in times}
        met = {b"none", *witnesses}
        for name, (threshold, members) in self.groups.items():  # a group comes after its members
            if sum(member in met for member in members) >= threshold:
                met.add(name)
        require(self.quorum in met, "too few witnesses have signed the checkpoint for this policy")
        return witnesses


# Keys and signatures (C2SP signed-note, tlog-cosignature).
def new_key(vkey, others):
    """The key that a policy lists besides others."""
    match = re.fullmatch(KEY_NAME + r"\+([0-9a-f]{8})\+(.+)", vkey.decode())
    require(match, "this is not a verifier key")
    material = unbase64(match[3], "the key")
    key = Key(match[1], bytes.fromhex(match[2]), material[0], material[1:])
    require(key.id == sha256(key.name.encode() + b"\n" + material).digest()[:4], "the key's id does not fit its name and the key")
    require(len(key.public) == KEY_LENGTHS.get(key.type), "the key is of a kind that is not supported here, or it is not whole")
    require(key.type != ML_DSA_44 or len(key.name.encode()) < 256, "the key's name is too long")
    require(key.type == ML_DSA_44 or is_safe_point(key.public), "this is no Ed25519 key, or one with which anybody could sign")
    require(all(key.public != other.public for other in others) and len(others) < MAX_DEFINITIONS, "the key is listed already")
    return key


def verify(key, checkpoint, signature):
    """The time that a good signature states, 0 if none; `None` if the signature is not good."""
    time, signature = (0, signature) if key.type == ED25519 else (int.from_bytes(signature[:8], "big"), signature[8:])
    try:
        message = signed_message(key, checkpoint, time)
        if key.type == ML_DSA_44:
            MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
        else:
            require(len(signature) == 64 and not is_of_small_order(signature[:32]), "this is not a signature")
            require(int.from_bytes(signature[32:], "little") < L, "this is another spelling of a signature")
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return None
    return time


def signed_message(key, checkpoint, time):
    require(time < 2**63, "there is no such time")
    if key.type == ED25519:
        return checkpoint.text.encode()
    if key.type == COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{checkpoint.text}".encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    require(len(origin) < 256, "the name of the log is too long for ML-DSA-44")
    signer = bytes([len(name)]) + name + time.to_bytes(8, "big")
    return b"subtree/v1\n\0" + signer + bytes([len(origin)]) + origin + bytes(8) + checkpoint.size.to_bytes(8, "big") + checkpoint.root


# Libraries differ about odd points of Ed25519's curve. So they are refused here (RFC 8032 section 5.1 has the equations).
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def is_safe_point(key):
    """Whether this is the one encoding of a point that can be a key."""
    y = int.from_bytes(key, "little") % 2**255
    has_an_x = pow((y * y - 1) * (D * y * y + 1), (P - 1) // 2, P) == 1
    return y < P and has_an_x and not is_of_small_order(key)


def is_of_small_order(point):
    """Whether eight times the point is nothing: it is of order 1, 2 or 4; or of order 8, so that twice the point has y = 0."""
    y = int.from_bytes(point, "little") % 2**255
    return y % P in (0, 1, P - 1) or (D * y**4 + 2 * y * y - 1) % P == 0


# Encodings: each value has exactly one.
def unbase64(text, what, length=None):
    data = base64.b64decode(text)
    require(base64.b64encode(data).decode() == text, f"{what} is not in base64 as it has to be")
    require(length in (None, len(data)), f"{what} has another length than {length} bytes")
    return data


def decimal(text, what):
    require(re.fullmatch("0|[1-9][0-9]{0,19}", text) and int(text) < 2**64, f"{what} is not a plain decimal number")
    return int(text)


# For people.
def describe(receipt):
    start = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    stated = {name: start + datetime.timedelta(seconds=min(time, 2**37)) for name, time in receipt.witnesses.items()}
    witnesses = ", ".join(f"{name.decode(errors='replace')} ({time:%FT%TZ})" for name, time in stated.items()) or "nobody"
    yield f"good. {receipt.checkpoint.origin} has it as entry {receipt.index} of {receipt.checkpoint.size}; witnessed by {witnesses}."
    yield from receipt.entry.decode(errors="replace").rstrip("\n").split("\n")


def printable(text):
    """Foreign text for a terminal: what moves the cursor, hides or reorders text is escaped."""
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def main():
    parser = argparse.ArgumentParser(description="Checks receipts of a transparency log, offline.")
    parser.add_argument("--policy", required=True, type=Path, help="which log to believe, and which witnesses must have signed")
    parser.add_argument("receipts", nargs="+", type=Path, metavar="RECEIPT", help="a file that ends in .tlog-proof")
    arguments, bad = parser.parse_args(), 0
    try:
        policy = Policy(arguments.policy.read_bytes())
        receipts = {path: path.read_bytes() for path in arguments.receipts}
    except (OSError, ValueError) as error:
        print(printable(f"{arguments.policy}: {error}"), file=sys.stderr)
        return 2
    for path, data in receipts.items():
        try:
            said = describe(verify_receipt(policy, data))
        except ValueError as error:
            said, bad = [f"NOT GOOD. {error}"], 1
        print(f"{path}:", "\n    ".join(map(printable, said)))
    return bad


if __name__ == "__main__":
    sys.exit(main())
