"""Helpers for programs that run under aex."""

from ._binary import find_binary

__version__ = "3.0.0"
__all__ = ["find_binary", "__version__"]
