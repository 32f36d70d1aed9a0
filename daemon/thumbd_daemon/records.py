"""What the daemon and its children say to each other, record by record; how records travel is in ``channel``.

Every answer carries the number of the job it answers: a late one is recognised and dropped. Sizes are in bytes, times
in nanoseconds as the file system tells them.
"""

from msgspec import Struct


class Record(Struct, array_like=True, tag=True, forbid_unknown_fields=True):
    """One thing said; its class name is its tag."""


# -- daemon to every child ------------------------------------------------------------------------------------------


class Ping(Record):
    number: int


# -- daemon to scouts -----------------------------------------------------------------------------------------------


class Setup(Record):
    """The first record: where thumbnails, previews and volatile pictures live, the only places that a scout may write
    to; with `confined` it sees to that itself before it says that it is ready."""

    thumbnails: bytes
    previews: bytes
    volatile: bytes
    confined: bool = True


class Attach(Record):
    """A renderer was born; with it come its slot (read) and the far end of its intake (send)."""

    renderer: int


class Detach(Record):
    renderer: int


class Look(Record):
    """Look up (task, path, flavor) triples: is the file there, is there a valid thumbnail, a remembered failure (which
    does not count for the tasks in `again`)?"""

    job: int
    files: list[tuple[int, bytes, str]]
    again: list[int] = []


class Open(Record):
    """Open a source, check that it is still the file that was looked at, hand it to a renderer."""

    job: int
    path: bytes
    size: int
    mtime_ns: int
    renderer: int
    edge: int


class Publish(Record):
    """Encode a renderer's slot and put it into the cache; what does not fit there becomes volatile."""

    job: int
    path: bytes
    flavor: str
    size: int
    mtime_ns: int
    renderer: int
    mode: str
    width: int
    height: int
    original_width: int
    original_height: int
    mime: str


class Mark(Record):
    """Remember a permanent failure."""

    job: int
    path: bytes
    size: int
    mtime_ns: int
    code: str
    cause: str


class List(Record):
    """List a folder: for items (`entries` False: pictures alone) or for a window (all names). Below it are `mounts`,
    which are told of before they are entered, and `skip`, which are not entered."""

    job: int
    path: bytes
    recursive: bool
    hidden: bool
    entries: bool
    mounts: list[bytes] = []
    skip: list[bytes] = []


class Continue(Record):
    """One more chunk of a listing may come."""

    job: int


class StopListing(Record):
    job: int


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


# -- scouts to daemon -----------------------------------------------------------------------------------------------


class Ready(Record):
    """A child is set up and waits for work; it `lacks` these parts of its cage: (part, why)."""

    lacks: list[tuple[str, str]] = []


class Pong(Record):
    number: int


class Hit(Record):
    """There is a valid thumbnail; width and height are the original's, 0 where it does not say."""

    task: int
    thumbnail: bytes
    width: int
    height: int
    size: int
    mtime_ns: int = 0


class Miss(Record):
    """There is none, and nothing that speaks against making one."""

    task: int
    size: int
    mtime_ns: int


class NoUse(Record):
    """The file can't have one; `remembered` when a fail mark says so. `message` names the file."""

    task: int
    code: str
    message: str
    remembered: bool
    size: int
    mtime_ns: int = 0


class Looked(Record):
    """Some of a look's results, in order; `left` are still to come."""

    job: int
    results: list[Hit | Miss | NoUse]
    left: int


class Opened(Record):
    """The source is on its way to the renderer."""

    job: int


class OpenFailed(Record):
    """`changed`: it is no longer the file that was looked at."""

    job: int
    code: str
    message: str
    changed: bool


class Published(Record):
    """The picture is there; `volatile` with a message when it did not go into the cache, `refused` when that could not
    be written."""

    job: int
    path: bytes
    volatile: bool
    message: str
    refused: bool = False


class PublishFailed(Record):
    job: int
    code: str
    message: str


class Outdated(Record):
    """The folder to write to is another than this scout was let write to at its birth: it has not written, and never
    will; another one must."""

    job: int


class Marked(Record):
    """`message` is empty, or says why the failure could not be remembered."""

    job: int
    message: str


class Found(Record):
    """Some names of a listing: (name relative to the folder, kind, mime). What comes next lies on the mount `at`, if
    that is another than before."""

    job: int
    entries: list[tuple[bytes, str, str]]
    at: bytes = b""


class Listed(Record):
    """A listing has ended; `skipped` folders below could not be listed, `message` says which and why."""

    job: int
    code: str
    message: str
    skipped: int


# -- watching scout to daemon ---------------------------------------------------------------------------------------

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


# -- renderers ------------------------------------------------------------------------------------------------------


class Terms(Record):
    """A renderer's last argument: what it may use for its life (pixels to decode at most, bytes of address space,
    seconds of processor time), and how it is locked in: ``auto`` (as far as the kernel does), ``require``, ``off``."""

    pixels: int
    address_space: int
    cpu_s: int
    sandbox: str


class Expect(Record):
    """Daemon to renderer: the source with this number is yours; close any other. Decode it at once if that takes no
    more than `allowance` bytes, else wait for ``Go`` or ``GiveBack``."""

    job: int
    allowance: int


class Go(Record):
    """Daemon to renderer: there is memory for it, decode."""

    job: int


class GiveBack(Record):
    """Daemon to renderer: there is no memory for it now, close the source and say so."""

    job: int


class Source(Record):
    """Scout to renderer, with the descriptor: make it fit into a square of `edge` pixels."""

    job: int
    size: int
    edge: int


class Header(Record):
    """Renderer to daemon: so large is the picture, and so many bytes will decoding it take."""

    job: int
    width: int
    height: int
    need: int


class GivenBack(Record):
    """Renderer to daemon: the source is closed, undecoded."""

    job: int


class Rendered(Record):
    """Renderer to daemon: the slot holds `length` bytes, Sub-filtered rows of this mode (L, LA, RGB, RGBA) and size."""

    job: int
    mode: str
    width: int
    height: int
    length: int
    original_width: int
    original_height: int
    format: str


class NotRendered(Record):
    job: int
    code: str
    cause: str


# -- the sentinel ---------------------------------------------------------------------------------------------------


class Guard(Record):
    """Daemon to sentinel: when I die, end this process group."""

    group: int


class Release(Record):
    """Daemon to sentinel: this group has ended; its number may be another's."""

    group: int


ToScout = Setup | Attach | Detach | Look | Open | Publish | Mark | List | Continue | StopListing | Ping
FromScout = Ready | Pong | Looked | Opened | OpenFailed | Published | PublishFailed | Outdated | Marked | Found | Listed
ToWatcher = Setup | Watch | Unwatch | Ping
FromWatcher = Ready | Pong | At | Scanning | Present | Unknown | Scanned | Changed | WatchFailed
ToRenderer = Expect | Go | GiveBack | Ping
FromRenderer = Ready | Pong | Header | GivenBack | Rendered | NotRendered
ToSentinel = Guard | Release | Ping
FromSentinel = Ready | Pong
