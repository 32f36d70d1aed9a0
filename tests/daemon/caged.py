"""What a process of its own begins with (see ``alone``) that is to enter a scout's cage."""

ENTER = """
from thumbd_daemon.cache import Places
from thumbd_daemon.scout.confinement import Confinement, Outdated
from thumbd_daemon.scout.publishing import write_whole

here = os.fsencode(here)
places = Places(here + b"/above/t", here + b"/above/p", here + b"/v")
cage = Confinement(places)

def judged(target):
    try:
        write_whole(target, b"content")
    except OSError as refusal:
        try:
            return errno.errorcode[cage.judge(refusal, target).errno]
        except Outdated:
            return "outdated"
    return "done"
"""
ENTERED = ENTER + "assert cage.enter() == []\n"
