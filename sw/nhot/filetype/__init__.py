"""What a file is, by its content, so that a wrong one is refused by what it really is."""

from nhot.filetype.expect import KINDS, expect
from nhot.filetype.identify import Found, identify, is_foreign

__all__ = ["KINDS", "Found", "expect", "identify", "is_foreign"]
