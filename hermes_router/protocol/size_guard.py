"""Count the values in a msgpack frame without decoding it.

A value may have one byte in a frame and a hundred bytes in memory, and to decode a million values
takes long. So the values in a frame of an untrusted peer are counted first.
"""

from __future__ import annotations

#: Maximum number of values in one frame. A picker with 1,000 rows has about 10,000.
MOST_VALUES = 50_000

#: Frames up to this number of bytes are not counted.
LIGHT_BYTES = 64 * 1024

#: The first byte of a value, and how many bytes follow it. For lists and maps these bytes are the
#: length; the items follow as values of their own.
_FIXED = {
    0xCA: 4,
    0xCB: 8,
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
    0xD0: 1,
    0xD1: 2,
    0xD2: 4,
    0xD3: 8,
    0xD4: 2,
    0xD5: 3,
    0xD6: 5,
    0xD7: 9,
    0xD8: 17,
    0xDC: 2,
    0xDD: 4,
    0xDE: 2,
    0xDF: 4,
}
#: The first byte of a value, and in how many bytes its length follows.
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
_EXTENSIONS = (0xC7, 0xC8, 0xC9)


def too_heavy(frame: bytes | bytearray) -> bool:
    """Return True if a frame, valid msgpack or not, has more than :data:`MOST_VALUES` values.

    The gateway asks before it decodes a worker's frame, and ends the worker if it is True.
    """
    if len(frame) <= LIGHT_BYTES:
        return False
    at, count, end = 0, 0, len(frame)
    while at < end and count <= MOST_VALUES:
        first = frame[at]
        at += 1
        count += 1
        if 0xA0 <= first <= 0xBF:  # a short text
            at += first & 0x1F
        elif 0xC0 <= first <= 0xDF:
            width = _LENGTHS.get(first)
            if width is None:
                at += _FIXED.get(first, 0)
            else:
                at += width + int.from_bytes(frame[at : at + width], "big")
                at += first in _EXTENSIONS
    return count > MOST_VALUES
