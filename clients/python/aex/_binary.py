"""Finds and asks the aex binary."""

import json
import os
import shutil
import subprocess


def find_binary():
    """Return the path of the aex binary: AEX_BIN, else the first in PATH.

    Raises RuntimeError where there is none.
    """
    named = os.environ.get("AEX_BIN")
    found = shutil.which(named or "aex")
    if found is None:
        if named:
            raise RuntimeError(f"AEX_BIN is {named!r}, which is no program")
        raise RuntimeError("the aex binary is not in PATH; install it, or name it in AEX_BIN")
    return found


def ask(*args):
    """Run an aex command with --json and return what it prints.

    Raises ValueError with aex's own words where it fails.
    """
    done = subprocess.run([find_binary(), *args, "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip() or f"aex {' '.join(args)} ended with {done.returncode}")
    return json.loads(done.stdout)
