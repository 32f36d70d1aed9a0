"""The bounds of the wire. A peer that goes beyond one is told so; it never costs anybody else.

Told to each client in ``welcome.limits``; source: ``protocol/README.md``.
"""

from typing import Final

PROTOCOL: Final = 1
MAGIC: Final = b"TH1"

#: Bytes of one request's map; beyond it the answer is ``too_large``.
MAX_REQUEST_BYTES: Final = 1 << 20
#: Bytes of one ZeroMQ message part; beyond it libzmq closes the connection without a word.
MAX_FRAME_BYTES: Final = 2 << 20
#: Items in one ``submit`` (clients split larger ones, see ``submit.more``), and paths in one ``focus``.
MAX_SUBMIT_ITEMS: Final = 4096
#: Item states in one ``update``.
MAX_UPDATE_ITEMS: Final = 256
#: Entries in one part of a ``snapshot``.
MAX_SNAPSHOT_ENTRIES: Final = 1000
#: Bytes of one raw blob behind the map (only where ``inline`` was granted).
MAX_BLOB_BYTES: Final = 16 << 20
#: Bytes of a path: Linux' PATH_MAX.
MAX_PATH_BYTES: Final = 4096
#: Bytes of a topic: a path and the word before it.
MAX_TOPIC_BYTES: Final = 5000
#: Bytes of a request's id.
ID_BYTES: Final = 16
#: Units of credit a client may start with; the sum outstanding never passes the second.
MIN_CREDIT: Final = 2
MAX_CREDIT: Final = 32
#: Characters of a batch id, a view's name, a client's name.
MAX_NAME_CHARS: Final = 200
