"""What the kernel offers to lock a process in: system-call filters, Landlock, namespaces, limits.

Each part stands for itself and says why when the kernel refuses it; which parts a child takes, and how strictly, is its
own policy (``renderer.sandbox``, ``scout.confinement``). No compiled code: everything goes through ctypes.
"""
