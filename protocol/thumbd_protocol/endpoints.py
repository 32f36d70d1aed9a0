"""Where the daemon listens and where a client looks.

In this order, the first that accepts wins: ``$THUMBD_ENDPOINT`` (then nothing else is tried),
``$XDG_RUNTIME_DIR/thumbd/v1.sock``, ``/run/thumbd/<user>/v1.sock`` (a system instance of this user). Without
``XDG_RUNTIME_DIR`` a private folder below the system's temporary one stands for the first.
"""

import os
import pwd
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

SOCKET_NAME = "v1.sock"
#: Bytes of a Unix socket's path, less the closing NUL (``sockaddr_un``).
MAX_SOCKET_PATH = 107


class EndpointError(Exception):
    """A place for the socket that can't be used; the text says why and what to do."""


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the user's own daemon: socket, lock, volatile pictures. It need not exist yet."""
    base = environ.get("XDG_RUNTIME_DIR", "").strip()
    if base:
        return Path(base) / "thumbd"
    return Path(tempfile.gettempdir()) / f"thumbd-{os.getuid()}"


def ensure_private(folder: Path) -> Path:
    """Make `folder` with mode 0700, or check that it is ours alone. Raises EndpointError."""
    try:
        folder.mkdir(mode=0o700, parents=False, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise EndpointError(
            f"{folder} can't be made: {error.strerror}; set XDG_RUNTIME_DIR to a folder of yours"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise EndpointError(f"{folder} is not a folder; move it away")
    if found.st_uid != os.getuid():
        raise EndpointError(
            f"{folder} belongs to uid {found.st_uid}, not to you; set XDG_RUNTIME_DIR to a folder of yours"
        )
    if found.st_mode & 0o077:
        raise EndpointError(f"{folder} is open to others (mode {found.st_mode & 0o777:o}); run: chmod 700 {folder}")
    return folder


def own_socket(environ: Mapping[str, str] = os.environ) -> Path:
    """The socket file of the user's own daemon. Raises EndpointError if its path is too long for a socket."""
    return check_socket_path(runtime_dir(environ) / SOCKET_NAME)


def check_socket_path(path: Path) -> Path:
    """`path`, if a socket can have it. Raises EndpointError."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise EndpointError(
            f"{path} is too long for a socket ({MAX_SOCKET_PATH} bytes); set XDG_RUNTIME_DIR to a shorter folder"
        )
    return path


def candidates(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The endpoints that a client tries, in order, as ZeroMQ addresses."""
    chosen = environ.get("THUMBD_ENDPOINT", "").strip()
    if chosen:
        return [chosen]
    own = f"ipc://{own_socket(environ)}"
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a uid without a name, as containers have them: no system instance is anybody's
        return [own]
    return [own, f"ipc:///run/thumbd/{user}/{SOCKET_NAME}"]


def socket_path(endpoint: str) -> Path | None:
    """The file of an ``ipc://`` endpoint; None for other transports."""
    return Path(endpoint.removeprefix("ipc://")) if endpoint.startswith("ipc://") else None
