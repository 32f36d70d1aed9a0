"""A kernel that has lost the parts of a cage since they were tried: the trial finds them, the renderers do not."""

import sys

if "thumbd_daemon.renderer" in sys.orig_argv and "--check" not in sys.orig_argv:
    from locked_room.lacking import sitecustomize as _without_them  # noqa: F401
