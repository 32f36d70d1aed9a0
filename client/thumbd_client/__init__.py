"""Talking to thumbd: a session without a socket, the socket, starting a daemon, and ``thumbctl``.

The way of a request: ``connection`` (a DEALER, its thread) → ``session`` (what is open, what must be said again)
→ the daemon, and back as events. Nothing here imports Qt, and nothing here opens or lists a user's pictures.
"""

__version__ = "0.1.0"
