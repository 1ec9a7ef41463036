"""The aex command where there is no aex for the platform."""

import platform
import sys


def main():
    sys.stderr.write(
        f"aex: there is no aex for {platform.system()} on {platform.machine()}\n"
        "aex: hint: aex runs on Linux and macOS, on x86-64 and arm64; on Windows use WSL 2\n"
    )
    return 125


if __name__ == "__main__":
    sys.exit(main())
