"""python -m aex ARG... is the aex binary."""

import os
import sys

from ._binary import find_binary


def main():
    try:
        binary = find_binary()
    except RuntimeError as error:
        print(f"aex: {error}", file=sys.stderr)
        sys.exit(125)
    os.execv(binary, ["aex", *sys.argv[1:]])


if __name__ == "__main__":
    main()
