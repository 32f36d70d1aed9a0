"""The one task of all contenders: a file becomes a picture of 256 pixels in a PNG, written whole.

Importable by every kind of worker: loky's start afresh and import it, and thumbd's are started on it by exec, as
``python -m pooling.task CONTROL_FD PARENT_PID``.
"""

import os
import sys

from PIL import Image

from thumbd_daemon import channel
from thumbd_daemon.channel import Channel
from thumbd_daemon.child import control_socket
from thumbd_daemon.png import encode
from thumbd_daemon.records import Ping, Pong, Ready
from thumbd_daemon.renderer.limits import NICE
from thumbd_daemon.renderer.recipe import CannotRender, render
from thumbd_daemon.scout.publishing import write_whole

from .said import Made, Make, NotMade, ToWorker

EDGE = 256


def make(source: bytes, target: bytes) -> bytes:
    """Make the picture of `source` and write it to `target`, which is returned. Raises CannotRender and OSError.

    An empty `source` is an empty task: what a pool itself costs.
    """
    if not source:
        return target
    with open(source, "rb") as file:
        picture = render(file, EDGE)
    write_whole(target, encode(picture.mode, picture.width, picture.height, picture.rows, {}))
    return target


def warm_up(source: bytes, target: bytes) -> None:
    """Run in each worker before its first task: one picture, then the niceness of a renderer, by which it is known
    (see ``family.workers``) that it is ready."""
    Image.init()
    make(source, target + b"-%d" % os.getpid())
    os.nice(NICE)


def _serve(control: Channel) -> None:
    control.send(Ready())
    while (received := control.receive()) is not None:
        record, fds = received
        channel.close_all(fds)
        match record:
            case Make(number, source, target):
                try:
                    make(source, target)
                    control.send(Made(number))
                except (CannotRender, OSError) as error:
                    control.send(NotMade(number, str(error)))
            case Ping(number):
                control.send(Pong(number))


def main() -> None:
    """Serve thumbd's pool: argv is the control socket (a descriptor) and the parent's pid, the environment has what to
    warm up with."""
    sock = control_socket(int(sys.argv[2]), int(sys.argv[1]))
    warm_up(os.environb[b"POOLS_WARM_SOURCE"], os.environb[b"POOLS_WARM_TARGET"])
    _serve(Channel(sock, ToWorker))


if __name__ == "__main__":
    main()
