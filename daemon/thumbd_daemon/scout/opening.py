"""Handing a source to a renderer: open it without waiting, check that it is what was looked at, send the descriptor.

The descriptor goes straight into the renderer's intake; the daemon never holds one of a user's file.
"""

import os
import socket
import stat

from ..channel import encode
from ..records import Open, Opened, OpenFailed, Source
from ..sentences import about
from .looking import os_failure, what_is


def open_source(task: Open, intake: socket.socket | None) -> Opened | OpenFailed:
    """Open `task.path` and send it to the renderer behind `intake`."""
    if intake is None:
        return OpenFailed(task.job, "internal", about(task.path, "its renderer is gone"), True)
    try:
        fd = os.open(task.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        code, cause = os_failure(error)
        return OpenFailed(task.job, code, about(task.path, cause), False)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            cause = f"is {what_is(found.st_mode)}, not a picture file"
            return OpenFailed(task.job, "unreadable", about(task.path, cause), False)
        if (found.st_size, found.st_mtime_ns) != (task.size, task.mtime_ns):
            return OpenFailed(task.job, "stale", about(task.path, "changed while it waited"), True)
        socket.send_fds(intake, [encode(Source(task.job, task.size, task.edge))], [fd], socket.MSG_DONTWAIT)
    except OSError as error:
        # The renderer died, or does not read: the daemon ends it, and gives the file to another one.
        message = about(task.path, f"its renderer takes nothing: {error.strerror}")
        return OpenFailed(task.job, "internal", message, True, True)
    finally:
        os.close(fd)
    return Opened(task.job)
