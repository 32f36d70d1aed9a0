"""A kernel that forgets, with each change of privileges, who is to end with whom, as prctl(2) says of PR_SET_PDEATHSIG;
its renderers are taken over like those of ``intruder``."""

import sys

if "thumbd_daemon.renderer" in sys.orig_argv:
    from thumbd_daemon.cage import kernel

    unshare = kernel.unshare

    def forgetting(flags: int) -> None:
        try:
            unshare(flags)
        finally:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, 0)

    kernel.unshare = forgetting

    from locked_room.intruder import sitecustomize as _taken_over  # noqa: F401
