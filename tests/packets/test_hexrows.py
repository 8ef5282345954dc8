from __future__ import annotations

import pytest

from bpftest.packets.hexrows import Row, Rows, rows

COUNTED = bytes(range(40))


@pytest.mark.parametrize(
    ("expected", "actual", "mask", "made"),
    [
        (b"", b"", None, Rows(())),
        (COUNTED, COUNTED, None, Rows(())),
        (b"\x01\x02\x03", b"\x01\x12\x03", None, Rows((Row(0, "01 02 03", "01 12 03", "   ^^"),))),
        (b"\x01", b"\x01\x02\x03", None, Rows((Row(0, "01", "01 02 03", "   ^^ ^^"),))),
        (b"\x01\x02", b"", None, Rows((Row(0, "01 02", "", "^^ ^^"),))),
        (b"", b"\x01", None, Rows((Row(0, "", "01", "^^"),))),
        (
            COUNTED,
            COUNTED[:33] + b"\xff" + COUNTED[34:],
            None,
            Rows((Row(32, "20 21 22 23 24 25 26 27", "20 ff 22 23 24 25 26 27", "   ^^"),)),
        ),
        (b"\x45\x00\x12", b"\x46\x11\x13", b"\xff\x00\xf0", Rows((Row(0, "45 ** 1*", "46 11 13", "^^"),))),
        (b"\x45\x00\x12", b"\x45\x11\x13", b"\xff\x00\xf0", Rows(())),
        (b"\x45", b"\x45\x01", b"\x00", Rows((Row(0, "**", "45 01", "   ^^"),))),
        (b"\x45", b"\x48", b"\xf8", Rows((Row(0, "45", "48", "^^"),))),
        (b"\xff", b"\xef", b"\x1f", Rows((Row(0, "ff", "ef", "^^"),))),
        (
            bytes(16),
            b"\x01" * 17,
            None,
            Rows(
                (Row(0, " ".join(["00"] * 16), " ".join(["01"] * 16), " ".join(["^^"] * 16)), Row(16, "", "01", "^^"))
            ),
        ),
    ],
)
def test_rows_show_what_differs(expected: bytes, actual: bytes, mask: bytes | None, made: Rows) -> None:
    assert rows(expected, actual, mask) == made


def test_after_eight_rows_only_their_number_is_told() -> None:
    made = rows(bytes(16 * 20), b"\x01" + bytes(15) + b"\x01" * 16 * 18 + bytes(16))

    assert [row.offset for row in made.rows] == [0, 16, 32, 48, 64, 80, 96, 112]
    assert made.more == 11
