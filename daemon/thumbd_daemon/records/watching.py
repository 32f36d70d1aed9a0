"""What the daemon and its watching scout say to each other."""

from .record import Record


class Watch(Record):
    """Watching scout: tell what is in a folder (`recursive`: and in all folders below), and from then on what changes
    there. Below it are `mounts`, which are told of before they are entered, and `skip`, which are not entered."""

    job: int
    path: bytes
    recursive: bool = False
    mounts: list[bytes] = []
    skip: list[bytes] = []


class Unwatch(Record):
    job: int


#: A name relative to its folder, kind, MIME type or "", and for regular files size and time of the last change.
State = tuple[bytes, str, str, int | None, int | None]


class At(Record):
    """It turns to this folder now, or to the mount `mount` below it; 0: to none. Told before the folder is touched: if
    no sign of life comes any more, it hangs there."""

    job: int
    mount: bytes = b""


class Scanning(Record):
    """A scan begins: what is not told as present until ``Scanned`` is not there. `rescanned` when it is made because
    the kernel does not tell (or has not told) all."""

    job: int
    rescanned: bool = False


class Present(Record):
    """Some names of a scan."""

    job: int
    names: list[State]


class Unknown(Record):
    """Of these folders below a scan could not see what is in them."""

    job: int
    folders: list[bytes]


class Scanned(Record):
    """A scan has ended. `rescanned` when the kernel does not tell all, so that more scans will follow."""

    job: int
    rescanned: bool = False


class Changed(Record):
    """What has happened to some names: first of all those that were `renamed` (from, to), in order, with all below
    them; then which are `gone`, with all below them; then how those are that are there."""

    job: int
    present: list[State]
    gone: list[bytes]
    renamed: list[tuple[bytes, bytes]]


class WatchFailed(Record):
    """The folder can't be read or watched now; it is tried again. `message` names it and says what to do."""

    job: int
    code: str
    message: str
