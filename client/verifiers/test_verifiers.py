#!/usr/bin/env python3
"""Whether `acta verify`, acta_verify.py and acta-verify.mjs say the same: of every vector, and of receipts that were changed at random; and
whether acta_ledger.py computes what the statements' vectors expect.

scripts/test-verifiers.sh runs this with ACTA=program, NODE=program (or nothing) and the Python that has `cryptography`.

    ACTA_MUTATIONS=2000      how many changed receipts, and fifty times as many as changed policies
    ACTA_SEED=…              a seed that was printed before
"""
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VECTORS, STATEMENTS = ROOT / "testdata" / "vectors", ROOT / "testdata" / "statements"
PYTHON, JS = HERE / "python" / "acta_verify.py", HERE / "js" / "acta-verify.mjs"

sys.path.insert(0, str(PYTHON.parent))
import acta_ledger
import acta_verify

GOOD, NOT_GOOD, NO_POLICY = {"good"}, {"not good"}, {"no policy"}
PROGRAMS = {
    "acta": [os.environ["ACTA"], "verify"],
    "python": [sys.executable, PYTHON],
    "js": [os.environ["NODE"], JS.with_name("node.mjs")],
}
if not os.environ["NODE"]:
    del PROGRAMS["js"]

# What a program says otherwise than a vector expects, and why that is right.
WITHOUT_ECDSA = {"vkey/ecdsa-p256": (NO_POLICY, "ECDSA is left out: no log of ours signs with it")}
EXCEPTIONS = {"acta": {}, "python": WITHOUT_ECDSA, "js": WITHOUT_ECDSA}
WITHOUT_ML_DSA = {
    "proof/cosigned-ml-dsa-44": (NOT_GOOD, "only an ML-DSA-44 signature makes the quorum"),
    "proof/two-of-three-by-ml-dsa-44": (NOT_GOOD, "likewise"),
    "proof/forged-ml-dsa-44-line": (GOOD, "the line is as one of a stranger; the rest is enough"),
}


# Checks of the scripts, and what is in their place when they are left out. Those that some libraries make too are not among them, since
# with such a library nobody would miss them.
SABOTAGE = {
    PYTHON: [
        ('require(base64.b64encode(data).decode() == text', 'require(True'),
        ('require(re.fullmatch("0|[1-9][0-9]{0,19}", text)', 'require(text.isdigit()'),
        ('require(root == checkpoint.root', 'require(True'),
        ('require(last == 0', 'require(True'),
        ('require(index < size', 'require(True'),
        ('self.quorum in met', 'True'),
        ('sum(member in met for member in members) >= threshold', 'any(member in met for member in members)'),
        ('require(stated or not claimed', 'require(True'),
        ('require(signed, "the log', 'require(True, "the log'),
        ('require(covered', 'require(True'),
        ('not is_of_small_order(signature[:32])', 'True'),
        ('has_an_x and not is_of_small_order(key)', 'has_an_x'),
        ('y < P and', ''),
        ('has_an_x and', ''),
        ('require(key.id == sha256', 'require(True or sha256'),
        ('<= MAX_LINES_OF_A_KEY', '< 100'),
        ('member in self.names - self.members', 'member in self.names'),
        ('time < 2**63', 'True'),
    ],
    JS: [
        ('btoa(atob(text)) === text', 'true'),
        ('/^(0|[1-9][0-9]{0,19})$/.test(text)', '/^[0-9]+$/.test(text)'),
        ('require(equal(root, checkpoint.root)', 'require(true'),
        ('require(last === 0n', 'require(true'),
        ('require(index < size', 'require(true'),
        ('met.has(policy.quorum)', 'true'),
        ('.length >= needed)', '.length >= 1)'),
        ('require(good,', 'require(true,'),
        ('require(signed.length > 0', 'require(true'),
        ('ignoreBOM: true', 'ignoreBOM: false'),
        ('fatal: true', 'fatal: false'),
        ('\\p{White_Space}', '\\s'),
        ('=== 1n && !isOfSmallOrder(key)', '=== 1n'),
        ('y < P && power', 'power'),
        ('require(id === hex', 'require(id !== hex'),
        ('count.get(key) <= MAX.linesOfKey', 'true'),
        ('!policy.members.has(member)', 'true'),
    ],
}

# Good receipts to change: with and without lines of strangers, extension lines, few and many hashes.
MUTATED = ["receipt", "one-entry", "cosigned-twice", "extension-lines", "name-with-byte-order-mark", "large-tree", "go"]
ODD = [b"\n", b" ", b"\t", b"\r", b"\0", b"=", b"+", b"0", b"A", b"\x7f", b"\xff", *(c.encode() for c in "\x85\xa0\u2003\u2028\ufeff\u2014\u0660")]


def judge(program, policy, receipts):
    """What a program says of receipts under a policy: its verdict on each, in their order."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory, f"{number}.tlog-proof") for number in range(len(receipts))]
        for path, receipt in zip(paths, receipts):
            path.write_bytes(receipt)
        Path(directory, "policy").write_bytes(policy)
        run = subprocess.run([*program, "--policy", Path(directory, "policy"), *paths], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # The lines of an entry are indented.
        said = dict(re.findall(rb"^(\S+\.tlog-proof): (good|NOT GOOD)\. ", run.stdout, re.M))
        verdicts = [said.get(bytes(path), b"no policy").decode().lower() for path in paths]
        status = 2 if "no policy" in verdicts else 1 if "not good" in verdicts else 0
        assert run.returncode == status, f"{program} ended with {run.returncode}: {run.stderr.decode()}"
        return verdicts


class Vector:
    """See testdata/vectors/README.md."""

    def __init__(self, path):
        self.name = f"{path.parent.name}/{path.name}"
        headers, _, self.bytes = path.read_bytes().partition(b"\n---\n")
        pairs = [line.split(": ", 1) for line in headers.decode().split("\n")]
        self.expect = next(value.split(" ")[0] for name, value in pairs if name == "expect")
        self.policy = "".join(f"{value}\n" for name, value in pairs if name == "policy").encode()


USUAL, ML_DSA = Vector(VECTORS / "proof" / "receipt"), Vector(VECTORS / "proof" / "cosigned-ml-dsa-44")


def cases():
    """Of each vector that is a receipt, a policy or a key: name, policy, receipt, the verdicts that it allows."""
    for vector in map(Vector, sorted(VECTORS.glob("proof/*"))):
        yield vector.name, vector.policy or USUAL.policy, vector.bytes, GOOD if vector.expect == "verified" else NOT_GOOD
    for vector in map(Vector, sorted(VECTORS.glob("vkey/*"))):
        # In a policy a newline ends the line, so the one key that ends in it gets another character there.
        policy = b"log %s\nquorum none\n" % vector.bytes.replace(b"\n", b"~")
        yield vector.name, policy, USUAL.bytes, NO_POLICY if vector.expect == "refused" else GOOD | NOT_GOOD
    for vector in map(Vector, sorted(VECTORS.glob("policy/*"))):
        yield vector.name, vector.bytes, USUAL.bytes, NO_POLICY if vector.expect == "refused" else GOOD | NOT_GOOD


def judge_vectors(name, program):
    """What a program says of each vector, and what it should: what the vector allows, or an exception."""
    exceptions = EXCEPTIONS[name]
    if name == "js" and judge(program, ML_DSA.policy, [ML_DSA.bytes]) == ["not good"]:
        exceptions = exceptions | WITHOUT_ML_DSA
    by_policy = defaultdict(list)
    for vector, policy, receipt, allowed in cases():
        by_policy[policy].append((vector, receipt, exceptions.get(vector, (allowed, ""))[0]))
    for policy, of_policy in by_policy.items():
        said = judge(program, policy, [receipt for _, receipt, _ in of_policy])
        yield from ((vector, said, allowed) for (vector, _, allowed), said in zip(of_policy, said))


class Verifiers(unittest.TestCase):
    maxDiff = None

    def test_every_program_says_of_each_vector_what_it_expects(self):
        for name, program in PROGRAMS.items():
            judged = list(judge_vectors(name, program))
            self.assertGreater(len(judged), 110)
            self.assertEqual([], [(vector, said) for vector, said, allowed in judged if said not in allowed], name)
            print(f"{name}: {len(judged)} vectors as expected")

    def test_what_the_documentation_shows_as_signed_is_what_is_signed(self):
        if acta_verify.MLDSA44PublicKey is None:
            self.skipTest("this cryptography cannot verify ML-DSA-44")
        text = (ROOT / "docs" / "formats.md").read_text()
        shown = bytes.fromhex(text.split("example=ml-dsa-message\n")[1].split("```")[0])
        vector = Vector(VECTORS / "checkpoint" / "cosigned-ml-dsa-44")
        checkpoint = acta_verify.parse_checkpoint(vector.bytes.decode())
        (key,) = [key for key in acta_verify.Policy(vector.policy).witnesses.values() if key.type == acta_verify.ML_DSA_44]
        (signature,) = [signature for name, _, signature in checkpoint.lines if name == key.name]
        acta_verify.MLDSA44PublicKey.from_public_bytes(key.public).verify(signature[8:], shown)
        self.assertEqual(shown, acta_verify.signed_message(key, checkpoint, int.from_bytes(signature[:8], "big")))

    def test_a_check_that_is_left_out_is_noticed(self):
        for path, checks in SABOTAGE.items():
            if path == JS and "js" not in PROGRAMS:
                continue
            for check, without in checks:
                with self.subTest(check=check):
                    self.notices(path, check, without)
            print(f"{path.name}: each of {len(checks)} checks was missed when it was left out")

    def notices(self, path, check, without):
        text = path.read_text()
        self.assertEqual(1, text.count(check), "this check is not there once")
        with tempfile.TemporaryDirectory() as directory:
            for file in path.parent.iterdir():
                if file.is_file():
                    shutil.copy(file, directory)
            Path(directory, path.name).write_text(text.replace(check, without))
            name = "python" if path == PYTHON else "js"
            program = [PROGRAMS[name][0], Path(directory, PROGRAMS[name][1].name)]
            self.assertTrue(any(said not in allowed for _, said, allowed in judge_vectors(name, program)), "nothing was noticed")

    def chance(self):
        """Random numbers, and how many changed receipts are wanted."""
        seed, count = int(os.environ.get("ACTA_SEED", random.randrange(2**32))), int(os.environ.get("ACTA_MUTATIONS", 2000))
        print(f"ACTA_SEED={seed} ACTA_MUTATIONS={count}")
        return random.Random(seed), count

    def test_the_programs_agree_on_policies_that_were_changed(self):
        chance, count = self.chance()
        receipt, witness = Vector(VECTORS / "proof" / "go"), Vector(VECTORS / "policy" / "go").bytes
        group = witness.replace(b"quorum w\n", b"group g 1 w\nquorum g\n")
        good = 0
        # Each takes a process of its own, and most of them are no policies any more.
        for policy in [witness, group] + [mutate(chance.choice([witness, group]), chance) for _ in range(count // 50)]:
            said = {name: judge(program, policy, [receipt.bytes])[0] for name, program in PROGRAMS.items()}
            self.assertEqual(1, len(set(said.values())), f"{said} under the policy {policy!r}")
            good += said["acta"] == "good"
        print(f"{count // 50 + 2} policies judged alike, {good} of them good")
        self.assertGreaterEqual(good, 2)

    def test_the_programs_agree_on_receipts_that_were_changed(self):
        chance, count = self.chance()
        for vector in map(Vector, (VECTORS / "proof" / name for name in MUTATED)):
            receipts = [vector.bytes] + [mutate(vector.bytes, chance) for _ in range(count // len(MUTATED))]
            said = {name: judge(program, vector.policy, receipts) for name, program in PROGRAMS.items()}
            self.assertEqual("good", said["acta"][0])
            for receipt, *verdicts in zip(receipts, *said.values()):
                self.assertEqual(1, len(set(verdicts)), f"{dict(zip(said, verdicts))} of {vector.name}, changed to {receipt!r}")
            print(f"{vector.name}: {len(receipts)} receipts judged alike, {said['acta'].count('good')} of them good")


def mutate(receipt, chance):
    """The receipt with one to three small changes, most of them of the kind that a lenient reader would not notice."""
    data = bytearray(receipt)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(data))
        match chance.randrange(7):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at]
            case 2:
                data[at:at] = chance.choice(ODD)
            case 3:
                data[at : at + 1] = chance.choice(ODD)
            case 4:
                data[at:at] = data[at : at + 1]
            case 5:
                # the last character before the padding of base64
                ends = [match.start() for match in re.finditer(rb"[A-Za-z0-9+/]=*\n", data)]
                if ends:
                    data[chance.choice(ends)] ^= chance.choice([1, 2, 3])
            case 6:
                lines = bytes(data).split(b"\n")
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                data = bytearray(b"\n".join(lines))
    return bytes(data)


class Ledgers(unittest.TestCase):
    """acta_ledger.py on the small logs of testdata/statements, whose README says what their headers mean."""

    def setUp(self):
        self.require = acta_ledger.require
        self.logs = []
        for path in sorted(path for path in STATEMENTS.iterdir() if not path.suffix):
            headers, _, bundle = path.read_bytes().partition(b"\n---\n")
            self.logs.append((path.name, dict(line.split(": ", 1) for line in headers.decode().split("\n")), bundle))

    def tearDown(self):
        acta_ledger.require = self.require

    def fold(self, headers, bundle):
        """What becomes of the last entry, and the hash of the ledger after it."""
        ledger, outcome = acta_ledger.Ledger(headers["log"], headers["key"]), "admitted"
        while bundle:
            length = 2 + int.from_bytes(bundle[:2], "big")
            self.assertEqual("admitted", outcome, "only the last entry is in question")
            try:
                ledger.push(bundle[2:length])
            except acta_ledger.Refused as reason:
                outcome = f"refused {reason}"
            bundle = bundle[length:]
        return outcome, hashlib.sha256(ledger.snapshot()).hexdigest()

    def test_it_comes_to_the_same_ledger_and_to_the_same_refusals_for_the_same_reasons(self):
        for name, headers, bundle in self.logs:
            with self.subTest(name):
                self.assertEqual((headers["expect"], headers["ledger"]), self.fold(headers, bundle))
        self.assertGreater(len(self.logs), 80)
        print(f"acta_ledger.py: {len(self.logs)} logs as expected")

    def test_a_rule_that_is_left_out_is_noticed(self):
        rules = {headers["expect"].split(" ")[1] for _, headers, _ in self.logs if headers["expect"] != "admitted"}
        # These are found while something is parsed, and not by asking.
        for rule in rules - {"not-a-statement", "malformed-json"}:
            acta_ledger.require = lambda condition, name: None if name == rule else self.require(condition, name)
            with self.subTest(rule):
                self.assertTrue(any(self.misjudges(headers, bundle) for _, headers, bundle in self.logs), "nothing was noticed")
        print(f"acta_ledger.py: each of {len(rules) - 2} rules was missed when it was left out")

    def misjudges(self, headers, bundle):
        try:
            return self.fold(headers, bundle) != (headers["expect"], headers["ledger"])
        except Exception:  # what comes after a check relies on it
            return True


if __name__ == "__main__":
    unittest.main(verbosity=2)
