"""Verifies a signed tree head of RFC 6962: `rfc6962.py PUBLIC_KEY.pem`, with the answer to get-sth on standard input."""

import base64
import json
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def main() -> int:
    with open(sys.argv[1], "rb") as file:
        key = load_pem_public_key(file.read())
    head = json.load(sys.stdin)
    root = base64.b64decode(head["sha256_root_hash"], validate=True)
    signature = base64.b64decode(head["tree_head_signature"], validate=True)
    # RFC 5246 section 4.7: hash SHA-256, signature ECDSA, and its length.
    algorithms, length = struct.unpack(">2sH", signature[:4])
    if algorithms != b"\x04\x03" or length != len(signature) - 4 or len(root) != 32:
        sys.exit("not an ECDSA signature with SHA-256")
    # RFC 6962 section 3.5: version v1, signature type tree_hash.
    signed = struct.pack(">BBQQ", 0, 1, head["timestamp"], head["tree_size"]) + root
    try:
        key.verify(signature[4:], signed, ECDSA(SHA256()))
    except InvalidSignature:
        sys.exit("the signature is not good")
    print(f"good: {head['tree_size']} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
