"""What a suite may say: the JSON Schema of suites, checked by jsonschema_rs, explained with jsonschema where it fails.

The schema file stands beside the package, for editors and other tools, and is put inside it when it is installed.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpftest.errors import SuiteError
    from bpftest.suite.document import Document

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FOLDERS = (os.path.join(_PACKAGE, "schemas"), os.path.join(os.path.dirname(_PACKAGE), "schemas"))


@functools.cache
def schema_text(name: str = "suite.schema.json") -> str:
    """A schema file as it is shipped, JSON. Raises FileNotFoundError when the installation is broken."""
    for folder in _FOLDERS:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    raise FileNotFoundError(f"there is no {name} in {' or '.join(_FOLDERS)}")


def faults(document: Document) -> tuple[SuiteError, ...]:
    """All mistakes of *document* by the schema, each at its place, in the order of the file; () if it is valid."""
    if _validator().is_valid(document.data):
        return ()
    import json

    from bpftest.suite.schema_faults import schema_faults

    found = schema_faults(document, json.loads(schema_text()))
    if not found:
        raise RuntimeError(f"{document.path}: jsonschema_rs refuses what jsonschema accepts")
    return found


@functools.cache
def _validator() -> Any:
    # Accepting 10,000 cases takes it 4 ms; jsonschema takes 1.7 s, and 0.1 s to be imported.
    from jsonschema_rs import validator_for

    return validator_for(schema_text())
