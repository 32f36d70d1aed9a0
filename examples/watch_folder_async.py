"""The same with asyncio: python watch_folder_async.py ~/Pictures"""

import asyncio
import os
import sys

from thumbd_client import AsyncConnection
from thumbd_protocol.replies import Snapshot, Update


async def watch(folder: bytes) -> None:
    async with AsyncConnection("watch_folder") as thumbd:
        thumbd.session.subscribe(b"folder:" + folder)
        async for event in thumbd:
            match event:
                case Snapshot(entries=entries, message=trouble):
                    for entry in entries:
                        print(f"{entry.kind} {entry.name!r}", flush=True)
                    if trouble:
                        print(trouble, flush=True)
                case Update(entries=changes):
                    for change in changes:
                        added, removed = [e.name for e in change.added], [*change.removed]
                        print(f"added {added}, removed {removed}, renamed {change.renamed}", flush=True)


asyncio.run(watch(os.fsencode(os.path.abspath(sys.argv[1]))))
