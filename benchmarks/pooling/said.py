"""What thumbd's pool and the benchmark's worker say to each other; no picture library is imported for it."""

from thumbd_daemon.records import Ping, Pong, Ready, Record


class Make(Record):
    """Make a picture of the file `source` and write it to `target`."""

    job: int
    source: bytes
    target: bytes


class Made(Record):
    job: int


class NotMade(Record):
    job: int
    why: str


ToWorker = Make | Ping
FromWorker = Ready | Pong | Made | NotMade
