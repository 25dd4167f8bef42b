"""What the report tests share: the factory of synthetic records."""

from __future__ import annotations

from types import ModuleType

import pytest
import report_records


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """The module of record factories."""
    return report_records
