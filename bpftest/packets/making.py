"""Scapy layers, made the same way every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.packets import layers
from bpftest.packets.arithmetic import kind
from bpftest.packets.shapes import accept_late, shape

if TYPE_CHECKING:
    from collections.abc import Collection

    from scapy.packet import Packet as Layer


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
        if own not in given and not (field.isconditional and not field._evalcond(layer)):
            raise SuiteError(f"{name}.{own} is random or the time of day unless it is given", f"write {own}=..")


def read(cls: type[Layer], data: bytes) -> Layer:
    """The layer that *data* holds, with its payload."""
    layers.load_all()
    layer: Layer = cls(data)
    return layer


def stacked(lower: Any, upper: Any) -> Layer:
    """*lower* / *upper*: at least one is a layer, the other may be bytes or text. Neither is used again.

    Raises SuiteError.
    """
    if not is_layer(lower) and not is_layer(upper):
        raise SuiteError(f"/ puts layers on each other, not {kind(upper)} on {kind(lower)}")
    below: Layer = lower if is_layer(lower) else _raw(lower)
    below.add_payload(upper if is_layer(upper) else _raw(upper))
    return below


def _raw(load: Any) -> Layer:
    if not isinstance(load, (str, bytes)):
        raise SuiteError(f"/ puts layers, bytes and text on each other, not {kind(load)}")
    return made(layers.layer("Raw"), load=load)


def names(packet: Layer) -> str:
    """The path of *packet*: "Ether / IP / UDP"."""
    return " / ".join(type(one).__name__ for one in packet.iterpayloads())
