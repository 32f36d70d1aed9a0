"""What the daemon and its quick and listing scouts say to each other."""

from .record import Record

# -- daemon to scouts -----------------------------------------------------------------------------------------------


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


# -- scouts to daemon -----------------------------------------------------------------------------------------------


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
    """`changed`: it is no longer the file that was looked at, or nobody was there to take it; `not_taken`: its renderer
    lives, as far as the scout knows, and takes no source."""

    job: int
    code: str
    message: str
    changed: bool
    not_taken: bool = False


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
