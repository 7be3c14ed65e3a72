"""What an error of another library says, for a message of ours."""

from __future__ import annotations


def one_line(error: Exception) -> str:
    """Its type and the beginning of its text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
