"""Scouts: they touch the file system for the daemon and decode nothing.

``__main__`` is the loop; ``looking`` answers what is there, ``opening`` hands sources to renderers, ``publishing``
writes thumbnails, ``listing`` reads folders.
"""
