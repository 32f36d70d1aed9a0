"""What ``pools.py`` is made of: the task, the contenders, what the kernel tells of their processes, the report."""
