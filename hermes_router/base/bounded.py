"""A map with a limited number of entries, which drops the oldest."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class BoundedMap(OrderedDict[_Key, _Value]):
    """An ordered map of at most ``most`` entries: a new one drops the oldest.

    An entry that is set again counts as new; reading one does not.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: _Key, value: _Value) -> None:
        """Set an entry, and drop the oldest if there are too many."""
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self._most:
            self.popitem(last=False)
