"""Parts of ``benchmarks/wire.py``: clients that cost little, each in a process of its own, and the measurements."""
