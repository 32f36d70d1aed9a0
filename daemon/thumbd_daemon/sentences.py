"""How files are named in sentences: any bytes, on one line, in valid Unicode."""


def printable(text: str) -> str:
    """`text` on one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shown(path: bytes) -> str:
    """`path` for a person to read: what is not UTF-8, and control characters, as ``\\x..`` escapes."""
    return printable(path.decode("utf-8", "backslashreplace"))


def about(path: bytes, cause: str) -> str:
    """One sentence that names the file and the cause."""
    return f"{shown(path)}: {cause}"


def cause_of(error: OSError) -> str:
    """What the system says went wrong, without Python's decoration."""
    return (error.strerror or str(error)).lower()
