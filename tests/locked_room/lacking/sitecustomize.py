"""A kernel without the parts of a cage: a filter makes the calls fail, as it does in some containers."""

import ctypes
import errno
import sys

if "thumbd_daemon.renderer" in sys.orig_argv or "thumbd_daemon.scout" in sys.orig_argv:
    from thumbd_daemon.cage import seccomp
    from thumbd_daemon.cage.bpf import ALLOW, Rule
    from thumbd_daemon.cage.bpf import errno as fails_with
    from thumbd_daemon.cage.kernel import PR_SET_NO_NEW_PRIVS, prctl

    prctl(PR_SET_NO_NEW_PRIVS, 1)
    missing = ("landlock_create_ruleset", "unshare", "seccomp")
    seccomp.install([Rule(name, fails_with(errno.ENOSYS)) for name in missing], ALLOW)
    ctypes.set_errno(0)
