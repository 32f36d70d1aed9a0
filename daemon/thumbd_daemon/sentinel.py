"""The sentinel: when the daemon has died, however it died, end whoever its children have started.

The children themselves die with the daemon (``child``); those whom *they* started would live on. Started as
``python -m thumbd_daemon.sentinel FD PARENT_PID`` (the pid is not needed, end-of-file tells all); it holds nothing but
the numbers of process groups.
"""

import contextlib
import os
import signal
import socket
import sys

from . import channel, records
from .channel import Channel


def watch(control: Channel, groups: set[int]) -> None:
    """Keep the list of groups until the daemon has gone."""
    control.send(records.Ready())
    while (received := control.receive()) is not None:
        record, fds = received
        channel.close_all(fds)
        match record:
            case records.Guard(group):
                groups.add(group)
            case records.Release(group):
                groups.discard(group)
            case records.Ping(number):
                control.send(records.Pong(number))
            case _:
                raise TypeError(f"a sentinel does not understand {record!r}")


def main() -> None:
    """Serve the daemon at the other end of descriptor ``argv[1]``; it is to outlive it, if by a moment."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = Channel(socket.socket(fileno=int(sys.argv[1])), records.ToSentinel)
    groups: set[int] = set()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        watch(control, groups)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
