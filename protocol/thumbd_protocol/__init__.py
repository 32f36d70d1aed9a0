"""What thumbd and its clients say to each other: messages, their codec, where the socket is.

No socket is opened here, nothing is drawn and no picture is read: both sides, and anybody's own client,
can import this package alone. The specification in words is ``protocol/README.md``.
"""

__version__ = "0.1.0"
