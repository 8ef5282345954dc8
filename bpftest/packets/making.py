"""Scapy layers, made the same way every time."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.packets import layers
from bpftest.packets.arithmetic import kind
from bpftest.packets.shapes import accept_late, is_conditional, limits, shape, unwrapped

if TYPE_CHECKING:
    from collections.abc import Collection

    from scapy.packet import Packet as Layer

LAYERS_MAX = 64  # on top of each other
ROOM = {  # a length that Scapy computes at the end, what it is the length of, and the bytes that it has bits for
    **dict.fromkeys(("IP", "IPerror"), ("ihl", "options", 40)),
    **dict.fromkeys(("TCP", "TCPerror"), ("dataofs", "options", 40)),
    "GENEVE": ("optionlen", "options", 252),
    "GeneveOptions": ("length", "data", 124),
}


def is_layer(value: Any) -> bool:
    """Whether *value* is a layer with its payload."""
    return hasattr(value, "add_payload")


def made(cls: type[Layer], /, **fields: Any) -> Layer:
    """A layer with *fields*, which it accepts."""
    layer: Layer = cls(**fields)
    layer.explicit = 1  # no field stands for several values: spares Scapy a copy of the layer
    return layer


def set_late(layer: Layer, name: str, value: Any) -> None:
    """Set a field of which the other fields decide what it accepts. Raises SuiteError."""
    layer.setfieldval(name, accept_late(layer, name, value))
    layer.explicit = 1


def refuse_random(layer: Layer, given: Collection[str]) -> None:
    """Raise SuiteError if a field that is not *given* would have another value next time."""
    name = type(layer).__name__
    for own in shape(type(layer)).volatile:
        field: Any = layer.get_field(own)
        if own not in given and not (is_conditional(field) and not field._evalcond(layer)):
            raise SuiteError(f"{name}.{own} is random or the time of day unless it is given", f"write {own}=..")


def refuse_overflow(layer: Layer) -> None:
    """Raise SuiteError if a length that Scapy computes does not fit its bits: Scapy would cut it off."""
    name = type(layer).__name__
    for own in shape(type(layer)).lengths:
        field: Any = unwrapped(layer.get_field(own))
        if layer.getfieldval(own) is None:
            length, most = field.i2m(layer, None), limits(field)[1]
            if length > most:
                raise SuiteError(f"{name}.{own} would be {length}, and its largest is {most}")
    length_field, content, most = ROOM.get(name, ("", "", 0))
    if length_field and layer.getfieldval(length_field) is None:
        size = len(layer.get_field(content).addfield(layer, b"", layer.getfieldval(content)))
        if size > most:
            raise SuiteError(f"{name}.{content} has {size} bytes, {most} are allowed")


def height(packet: Layer) -> int:
    """How many layers are on top of each other."""
    return sum(1 for _ in packet.iterpayloads())


def read(cls: type[Layer], data: bytes) -> Layer:
    """The layer that *data* holds, with its payload. Raises SuiteError if there is nothing to read."""
    if not data:
        raise SuiteError(f"there are no bytes to read {cls.__name__} from")
    layers.load_all()
    try:
        layer: Layer = cls(data)
    except struct.error:
        raise SuiteError(f"{len(data)} bytes are too few for {cls.__name__}") from None
    return layer


def stacked(lower: Any, upper: Any) -> Layer:
    """*lower* / *upper*: at least one is a layer, the other may be bytes or text. Neither is used again.

    Raises SuiteError.
    """
    if not is_layer(lower) and not is_layer(upper):
        raise SuiteError(f"/ puts layers on each other, not {kind(upper)} on {kind(lower)}")
    below: Layer = lower if is_layer(lower) else _raw(lower)
    above: Layer = upper if is_layer(upper) else _raw(upper)
    if height(below) + height(above) > LAYERS_MAX:
        raise SuiteError(f"the packet has more than {LAYERS_MAX} layers")
    below.add_payload(above)
    return below


def _raw(load: Any) -> Layer:
    if not isinstance(load, (str, bytes)):
        raise SuiteError(f"/ puts layers, bytes and text on each other, not {kind(load)}")
    return made(layers.layer("Raw"), load=load)


def names(packet: Layer) -> str:
    """The path of *packet*: "Ether / IP / UDP"."""
    return " / ".join(type(one).__name__ for one in packet.iterpayloads())
