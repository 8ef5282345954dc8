"""Keys and values of maps, as suites write them → bytes and names for the kernel; and back, for reports."""

from bpftest.map_values.bulk import bulk, refuse_too_many
from bpftest.map_values.closed import closed, refuse_closed
from bpftest.map_values.keys import Key, key_of, key_text
from bpftest.map_values.places import blamed
from bpftest.map_values.special import refuse_special
from bpftest.map_values.values import (
    Device,
    cpu_values,
    device_of,
    item_of,
    named,
    refuse_keyless,
    text_of,
    value_bytes,
    value_text,
)

__all__ = [
    "Device",
    "Key",
    "blamed",
    "bulk",
    "closed",
    "cpu_values",
    "device_of",
    "item_of",
    "key_of",
    "key_text",
    "named",
    "refuse_closed",
    "refuse_keyless",
    "refuse_special",
    "refuse_too_many",
    "text_of",
    "value_bytes",
    "value_text",
]
