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
    """The first record: where thumbnails, previews and volatile pictures live."""

    thumbnails: bytes
    previews: bytes
    volatile: bytes


class Attach(Record):
    """A renderer was born; with it come its slot (read) and the far end of its intake (send)."""

    renderer: int


class Detach(Record):
    renderer: int


class Look(Record):
    """Look up (task, path, flavor) triples: is the file there, is there a valid thumbnail, a remembered failure?"""

    job: int
    files: list[tuple[int, bytes, str]]


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
    """List a folder: for items (`entries` False: pictures alone) or for a window (all names)."""

    job: int
    path: bytes
    recursive: bool
    hidden: bool
    entries: bool


class Continue(Record):
    """One more chunk of a listing may come."""

    job: int


class StopListing(Record):
    job: int


# -- scouts to daemon -----------------------------------------------------------------------------------------------


class Ready(Record):
    """A child is set up and waits for work."""


class Pong(Record):
    number: int


class Hit(Record):
    """There is a valid thumbnail; width and height are the original's, 0 where it does not say."""

    task: int
    thumbnail: bytes
    width: int
    height: int
    size: int


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
    """The picture is there; `volatile` with a message when it could not go into the cache."""

    job: int
    path: bytes
    volatile: bool
    message: str


class PublishFailed(Record):
    job: int
    code: str
    message: str


class Marked(Record):
    """`message` is empty, or says why the failure could not be remembered."""

    job: int
    message: str


class Found(Record):
    """Some names of a listing: (name relative to the folder, kind, mime)."""

    job: int
    entries: list[tuple[bytes, str, str]]


class Listed(Record):
    """A listing has ended; `skipped` folders below could not be listed, `message` says which and why."""

    job: int
    code: str
    message: str
    skipped: int


# -- renderers ------------------------------------------------------------------------------------------------------


class Expect(Record):
    """Daemon to renderer: the source with this number is yours; close any other."""

    job: int


class Source(Record):
    """Scout to renderer, with the descriptor: make it fit into a square of `edge` pixels."""

    job: int
    size: int
    edge: int


class Rendered(Record):
    """Renderer to daemon: the slot holds Sub-filtered rows of this mode (L, LA, RGB, RGBA) and size."""

    job: int
    mode: str
    width: int
    height: int
    original_width: int
    original_height: int
    format: str


class NotRendered(Record):
    job: int
    code: str
    cause: str


ToScout = Setup | Attach | Detach | Look | Open | Publish | Mark | List | Continue | StopListing | Ping
FromScout = Ready | Pong | Looked | Opened | OpenFailed | Published | PublishFailed | Marked | Found | Listed
ToRenderer = Expect | Ping
FromRenderer = Ready | Pong | Rendered | NotRendered
