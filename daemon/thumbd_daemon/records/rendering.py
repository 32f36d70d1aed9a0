"""What the daemon, the scouts and the renderers say to each other about one picture."""

from .record import Record


class Terms(Record):
    """A renderer's last argument: what it may use (pixels and bytes of memory for one picture; for its life bytes of
    address space, seconds of processor time), and how it is locked in: ``auto`` (as far as the kernel does),
    ``require``, ``off``."""

    pixels: int
    memory: int
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
