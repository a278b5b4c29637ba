"""What the machine must have before anything is installed: a fit Python and a fit Java. Standard library only.

`python3 -m plumbline.preflight` says in one line what is missing; the Makefile runs it first.
"""

from __future__ import annotations

import sys

OLDEST = (3, 11)


def main() -> int:
    """0 when the machine will do; else 3, after one line on stderr."""
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:2])
        return _fail("Python " + found + " is too old. Next: install Python 3.11 or newer, or make PYTHON=python3.12 …")
    from plumbline.connect.java import find_java
    from plumbline.contract.errors import SetupError

    try:
        find_java()
    except SetupError as error:
        return _fail(str(error))
    return 0


def _fail(message: str) -> int:
    sys.stderr.write("error: " + message + "\n")
    return 3


if __name__ == "__main__":
    sys.exit(main())
