"""thumbd: the daemon that decides, and the two kinds of children that work for it.

``cli`` starts ``service``, the loop where pure decisions (``jobs``, ``pool``, ``shutdown``) meet sockets, pids and
clocks. Scouts (``scout/``) touch files and decode nothing; renderers (``renderer/``) decode and touch no file.
"""

__version__ = "0.1.0"
