"""The golden vectors: what is on the wire today is what programs written against them expect, byte for byte."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

import golden
from thumbd_protocol.codec import decode_reply, decode_request, encode
from thumbd_protocol.limits import MAGIC
from thumbd_protocol.replies import REPLIES
from thumbd_protocol.requests import REQUESTS

VECTORS = [(folder, name) for folder, samples in golden.SAMPLES.items() for name in samples]
DECODE = {"requests": decode_request, "replies": decode_reply}
TYPES = {"requests": REQUESTS, "replies": REPLIES}
each_vector = pytest.mark.parametrize(("folder", "name"), VECTORS, ids=["/".join(one) for one in VECTORS])


def packed(folder: str, name: str) -> bytes:
    return (golden.GOLDEN / folder / f"{name}.msgpack").read_bytes()


def unpacked(raw: bytes) -> Any:
    """As somebody who knows msgpack and nothing of thumbd reads it."""
    return msgpack.unpackb(raw, raw=False, strict_map_key=True)


@each_vector
def test_what_is_said_is_the_vector_byte_for_byte(folder: str, name: str) -> None:
    assert encode(golden.SAMPLES[folder][name]) == [MAGIC, packed(folder, name)]


@each_vector
def test_a_vector_is_heard_as_what_was_said(folder: str, name: str) -> None:
    assert DECODE[folder]([MAGIC, packed(folder, name)]) == golden.SAMPLES[folder][name]


@each_vector
def test_a_vector_is_what_its_description_says(folder: str, name: str) -> None:
    told = golden.rebuilt(json.loads((golden.GOLDEN / folder / f"{name}.json").read_text()))
    assert unpacked(packed(folder, name)) == told
    assert isinstance(told, dict)
    assert told["type"] == name.partition("-")[0]
    # The order of keys and the kinds of numbers too: the description alone is enough to build the bytes.
    built = msgpack.packb(told)
    if told["type"] == "ok" and len(told) < 16:
        built = b"\xde" + len(told).to_bytes(2) + built[1:]  # as the README beside the vectors says
    assert built == packed(folder, name)


@each_vector
def test_a_field_of_a_later_version_changes_nothing(folder: str, name: str) -> None:
    def later(value: object) -> object:
        match value:
            case dict():
                return {key: later(inner) for key, inner in value.items()} | {"of a later version": [None, {"a": b"b"}]}
            case list():
                return [later(inner) for inner in value]
            case _:
                return value

    message = golden.SAMPLES[folder][name]
    told = unpacked(packed(folder, name))
    assert DECODE[folder]([MAGIC, msgpack.packb(told | {"of a later version": [1]})]) == message
    # Inside items, entries and batches as well; not where the keys are free (stats and the like).
    if folder == "requests" or told["type"] not in ("welcome", "ok", "stats", "health"):
        assert DECODE[folder]([MAGIC, msgpack.packb(later(told))]) == message


def structs(value: object) -> Iterator[msgspec.Struct]:
    """`value` and all that it holds, as far as it has fields."""
    if isinstance(value, msgspec.Struct):
        yield value
        value = [getattr(value, field) for field in value.__struct_fields__]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from structs(inner)


@pytest.mark.parametrize("folder", TYPES)
def test_every_type_has_a_vector(folder: str) -> None:
    assert {type(message) for message in golden.SAMPLES[folder].values()} == set(TYPES[folder])


@pytest.mark.parametrize("folder", TYPES)
def test_every_optional_field_is_there_in_one_vector_and_absent_in_another(folder: str) -> None:
    seen: set[tuple[str, str, bool]] = set()
    types: set[type[msgspec.Struct]] = set()
    for message in golden.SAMPLES[folder].values():
        for struct in structs(message):
            types.add(type(struct))
            on_the_wire = unpacked(msgspec.msgpack.encode(struct))
            seen |= {(type(struct).__name__, field, field in on_the_wire) for field in struct.__struct_fields__}
    for kind in types:
        for field in msgspec.structs.fields(kind):
            assert (kind.__name__, field.name, True) in seen
            assert field.required or (kind.__name__, field.name, False) in seen, f"{kind.__name__}.{field.name}"


def test_there_is_no_vector_that_is_not_sampled() -> None:
    there = {path for folder in TYPES for path in (golden.GOLDEN / folder).iterdir()}
    assert there == {path for path, _content in golden.vectors()}
    for path, content in golden.vectors():
        assert path.read_bytes() == content, path


def written(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool on a copy of the tree."""
    tool = copy / "tools" / "golden.py"
    return subprocess.run([sys.executable, str(tool), *arguments], capture_output=True, text=True, check=False)


def test_a_changed_vector_is_not_written_over_unless_that_is_meant(tmp_path: Path) -> None:
    here = Path(golden.__file__)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "golden.py").write_bytes(here.read_bytes())
    (tmp_path / "tests" / "protocol").mkdir(parents=True)
    for samples in golden.GOLDEN.parent.glob("*_samples.py"):
        (tmp_path / "tests" / "protocol" / samples.name).write_bytes(samples.read_bytes())
    vector = tmp_path / "tests" / "protocol" / "golden" / "requests" / "ping-minimal.msgpack"
    assert written(tmp_path).returncode == 0
    assert vector.read_bytes() == packed("requests", "ping-minimal")
    vector.write_bytes(b"as it was before")
    stale = vector.with_name("pong-gone.msgpack")
    stale.touch()
    refused = written(tmp_path)
    assert refused.returncode == 1
    assert "ping-minimal.msgpack: changed" in refused.stderr
    assert "pong-gone.msgpack: no longer sampled" in refused.stderr
    assert vector.read_bytes() == b"as it was before"
    assert written(tmp_path, "--force").returncode == 0
    assert vector.read_bytes() == packed("requests", "ping-minimal")
    assert not stale.exists()
