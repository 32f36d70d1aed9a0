"""Write the golden vectors of the protocol: tests/protocol/golden, from the samples beside it.

usage: python tools/golden.py [--force]

A vector that is there and would change is refused: other bytes for the same message are another protocol, and programs
that are out there know only this one. ``--force`` writes it all the same; what is no longer sampled is taken away then.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgpack

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from protocol.reply_samples import REPLY_SAMPLES  # noqa: E402 - they are found now
from protocol.request_samples import REQUEST_SAMPLES  # noqa: E402
from thumbd_protocol.codec import encode  # noqa: E402
from thumbd_protocol.requests import Message  # noqa: E402

GOLDEN = TESTS / "protocol" / "golden"
#: By the folder's name: what clients say, what the daemon says.
SAMPLES: dict[str, dict[str, Message]] = {"requests": REQUEST_SAMPLES, "replies": REPLY_SAMPLES}


def described(value: object) -> object:
    """A decoded msgpack value as JSON has it: bytes become ``{"$hex": "..."}``."""
    match value:
        case bytes():
            return {"$hex": value.hex()}
        case dict():
            return {key: described(inner) for key, inner in value.items()}
        case list() | tuple():
            return [described(inner) for inner in value]
        case _:
            return value


def rebuilt(value: object) -> object:
    """What `described` made JSON of."""
    match value:
        case {"$hex": str(digits)}:
            return bytes.fromhex(digits)
        case dict():
            return {key: rebuilt(inner) for key, inner in value.items()}
        case list():
            return [rebuilt(inner) for inner in value]
        case _:
            return value


def vectors() -> Iterator[tuple[Path, bytes]]:
    """Every file there should be, and what should be in it."""
    for folder, samples in SAMPLES.items():
        for name, message in samples.items():
            packed = encode(message)[1]
            text = json.dumps(described(msgpack.unpackb(packed)), indent=2)
            # Bytes are one value: one line.
            text = re.sub(r'\{\s+("\$hex": "[0-9a-f]*")\s+\}', r"{\1}", text)
            yield GOLDEN / folder / f"{name}.msgpack", packed
            yield GOLDEN / folder / f"{name}.json", text.encode() + b"\n"


def main() -> int:
    """Write what is missing; refuse what differs, or write it when forced."""
    wanted = dict(vectors())
    there = {path for folder in SAMPLES for path in (GOLDEN / folder).glob("*.*")}
    differing = sorted(p for p in there if p not in wanted or p.read_bytes() != wanted[p])
    if differing and sys.argv[1:] != ["--force"]:
        for path in differing:
            print(f"{path.relative_to(TESTS)}: {'changed' if path in wanted else 'no longer sampled'}", file=sys.stderr)
        print("Nothing was written: changed bytes are a changed protocol. --force if that is meant.", file=sys.stderr)
        return 1
    for path in there - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(f"{len(wanted) // 2} vectors in {GOLDEN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
