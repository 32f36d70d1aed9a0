"""Scouts: they touch the file system for the daemon and decode nothing.

``__main__`` is the loop; ``looking`` answers what is there, ``opening`` hands sources to renderers, ``publishing``
writes thumbnails, ``listing`` reads folders. ``watcher`` is the loop of the scout that tells what changes in folders,
``watching`` one of those folders.
"""
