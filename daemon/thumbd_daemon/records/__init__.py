"""What the daemon and its children say to each other, record by record; how records travel is in ``channel``.

Every answer carries the number of the job it answers: a late one is recognised and dropped. Sizes are in bytes, times
in nanoseconds as the file system tells them.
"""

from .guarding import (
    Guard,
    Release,
)
from .record import (
    Ping,
    Pong,
    Ready,
    Record,
    Setup,
)
from .rendering import (
    Expect,
    GiveBack,
    GivenBack,
    Go,
    Header,
    NotRendered,
    Rendered,
    Source,
    Terms,
)
from .scouting import (
    Attach,
    Continue,
    Detach,
    Found,
    Hit,
    List,
    Listed,
    Look,
    Looked,
    Mark,
    Marked,
    Miss,
    NoUse,
    Open,
    Opened,
    OpenFailed,
    Outdated,
    Publish,
    Published,
    PublishFailed,
    StopListing,
)
from .watching import (
    At,
    Changed,
    Present,
    Scanned,
    Scanning,
    State,
    Unknown,
    Unwatch,
    Watch,
    WatchFailed,
)

ToScout = Setup | Attach | Detach | Look | Open | Publish | Mark | List | Continue | StopListing | Ping
FromScout = Ready | Pong | Looked | Opened | OpenFailed | Published | PublishFailed | Outdated | Marked | Found | Listed
ToWatcher = Setup | Watch | Unwatch | Ping
FromWatcher = Ready | Pong | At | Scanning | Present | Unknown | Scanned | Changed | WatchFailed
ToRenderer = Expect | Go | GiveBack | Ping
FromRenderer = Ready | Pong | Header | GivenBack | Rendered | NotRendered
ToSentinel = Guard | Release | Ping
FromSentinel = Ready | Pong

__all__ = [
    "At",
    "Attach",
    "Changed",
    "Continue",
    "Detach",
    "Expect",
    "Found",
    "FromRenderer",
    "FromScout",
    "FromSentinel",
    "FromWatcher",
    "GiveBack",
    "GivenBack",
    "Go",
    "Guard",
    "Header",
    "Hit",
    "List",
    "Listed",
    "Look",
    "Looked",
    "Mark",
    "Marked",
    "Miss",
    "NoUse",
    "NotRendered",
    "Open",
    "OpenFailed",
    "Opened",
    "Outdated",
    "Ping",
    "Pong",
    "Present",
    "Publish",
    "PublishFailed",
    "Published",
    "Ready",
    "Record",
    "Release",
    "Rendered",
    "Scanned",
    "Scanning",
    "Setup",
    "Source",
    "State",
    "StopListing",
    "Terms",
    "ToRenderer",
    "ToScout",
    "ToSentinel",
    "ToWatcher",
    "Unknown",
    "Unwatch",
    "Watch",
    "WatchFailed",
]
