"""Hostile PyTorch files for tests outside of the reader's own."""

import struct


def legacy_with_global(module: str, name: str) -> bytes:
    """A legacy file whose object would call a function with a shell command."""
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    version = b"\x80\x02M\xe9\x03."
    system = b"\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03u."
    command = b"touch owned"
    call = b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"X" + struct.pack("<I", len(command)) + command
    return magic + version + system + call + b"\x85R." + b"\x80\x02]."
