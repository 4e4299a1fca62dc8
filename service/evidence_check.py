"""Check the evidence of one decision, offline, with nothing but Python 3.9 or newer.

    python3 check.py [public_key.pem of the lender, obtained apart]

Run it in the folder that the evidence was unpacked into. It prints what it checked and exits 1 at
the first thing that does not fit. What it does is written out in README.txt, with openssl and
sha256sum as another way to do the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import NoReturn

Point = tuple[int, int, int, int]
# Ed25519 verification as RFC 8032 section 5.1.7 defines it.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a: Point, b: Point) -> Point:
    """The sum of two points in extended coordinates."""
    u, v = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    w, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = v - u, z - w, z + w, v + u
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(factor: int, point: Point) -> Point:
    """A point added to itself `factor` times."""
    found = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            found = add(found, point)
        point, factor = add(point, point), factor >> 1
    return found


def point(stored: bytes) -> Point | None:
    """The point that 32 bytes stand for; None when they stand for none."""
    y = int.from_bytes(stored, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")) or (0, 1, 1, 0)


def signed(public: bytes, signature: bytes, content: bytes) -> bool:
    """Whether a signature of 64 bytes was made of the content with the key of 32 bytes."""
    key, commitment = point(public), point(signature[:32])
    factor = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or len(signature) != 64 or factor >= ORDER:
        return False
    hashed = hashlib.sha512(signature[:32] + public + content).digest()
    left = times(factor, BASE)
    right = add(commitment, times(int.from_bytes(hashed, "little") % ORDER, key))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


def public_of(path: Path) -> bytes:
    """The 32 bytes of a public key in a PEM file."""
    lines = [line.strip() for line in path.read_text().splitlines() if "-----" not in line]
    der = base64.b64decode("".join(lines))
    if len(der) != 44 or der[:12] != bytes.fromhex("302a300506032b6570032100"):
        stop(f"{path.name}: expected an Ed25519 public key in PEM form")
    return der[12:]


def stop(sentence: str) -> NoReturn:
    """Say what does not fit, exit 1."""
    sys.exit(f"DOES NOT FIT: {sentence}")


def say(*words: str) -> None:
    """One line of what was checked."""
    sys.stdout.write(" ".join(words) + "\n")


def sha256(content: bytes) -> bytes:
    """SHA-256; 32 bytes."""
    return hashlib.sha256(content).digest()


def main(folder: Path, trusted: Path | None) -> None:
    """Signature, then files, then the record's hash, then the versions."""
    sums = (folder / "SHA256SUMS").read_bytes()
    public = public_of(trusted or folder / "public_key.pem")
    if not signed(public, (folder / "SHA256SUMS.sig").read_bytes(), sums):
        stop("the signature of SHA256SUMS was not made with this key")
    say("signature fits; key", sha256(public).hex())
    listed = [line.split("  ", 1) for line in sums.decode().splitlines()]
    for expected, name in listed:
        if sha256((folder / name).read_bytes()).hex() != expected:
            stop(f"{name} is not the file that was signed")
    say(f"{len(listed)} files are as signed")
    record = json.loads((folder / "record.json").read_bytes())
    request = (folder / "request.json").read_bytes()
    stored = (folder / "decision.json").read_bytes()
    chained = bytes.fromhex(record["prev_hash"]) + sha256(request) + sha256(stored)
    chained += record["decision_id"].encode()
    if record["idempotency_key"] is not None:
        if len(record["body_sha256"]) != 64:
            stop("body_sha256 is not 32 bytes")
        chained += b"\xff" + bytes.fromhex(record["body_sha256"])
        chained += record["idempotency_key"].encode()
    if sha256(chained).hex() != record["hash"]:
        stop("request, decision and place do not give the hash of the record")
    decision = json.loads(stored)
    if decision["decision_id"] != record["decision_id"]:
        stop("the record is of another decision")
    say(f"record {record['seq']} of writer {record['writer']} has the hash {record['hash']}")
    for name, version in decision["versions"].items():
        kept = sorted(folder.glob(f"versions/{name}.*"))
        if not kept:
            say(f"the {name} {version} is not in this evidence")
        elif sha256(kept[0].read_bytes()).hex()[:16] != version:
            stop(f"{kept[0].name} is not the {name} that decided")
        else:
            say(f"decided with {name} {version}")
    say("ALL FITS")


if __name__ == "__main__":
    main(Path(__file__).parent, Path(sys.argv[1]) if len(sys.argv) > 1 else None)
