"""What mistakes in suites have in common."""

from __future__ import annotations

MAX_FAULTS = 100  # of a file; after so many it says only that there are more

QUOTE = "put the value in quotes"
QUOTE_TEXT = "if this is text, put it in quotes"
NO_TAGS = "this is a tag, which suites do not have"
