"""Finds and asks the aex binary."""

import json
import os
import shutil
import subprocess
import sysconfig


def _installed():
    """Return the binary that pip put beside this package, or None."""
    folders = [sysconfig.get_path("scripts")]
    user = "osx_framework_user" if sysconfig.get_config_var("PYTHONFRAMEWORK") else f"{os.name}_user"
    if user in sysconfig.get_scheme_names():
        folders.append(sysconfig.get_path("scripts", user))
    # pip install --target DIR puts scripts into DIR/bin.
    folders.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bin"))
    for folder in folders:
        path = os.path.join(folder, "aex")
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def find_binary():
    """Return the path of the aex binary: AEX_BIN, else the one that was
    installed with this package, else the first in PATH.

    Raises RuntimeError where there is none.
    """
    named = os.environ.get("AEX_BIN")
    found = shutil.which(named) if named else _installed() or shutil.which("aex")
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
