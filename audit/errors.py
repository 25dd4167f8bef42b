"""What can go wrong on the user's side: one base class, one readable line each, exit code 2."""


class AuditError(Exception):
    """A problem the user can mend; its text says what was given, what was expected and what to do."""

    def __init__(self, given: str, expected: str = "", todo: str = "") -> None:
        self.given, self.expected, self.todo = given, expected, todo
        parts = [given, f"expected {expected}" if expected else "", todo]
        super().__init__("; ".join(" ".join(part.split()) for part in parts if part))


class ConfigError(AuditError):
    """A configuration or policy that cannot be obeyed."""


class DataError(AuditError):
    """Data that are absent, malformed or unfit for an audit."""


class ModelError(AuditError):
    """A network, checkpoint or score file that cannot be used."""


class PluginError(AuditError):
    """A plugin that does not import or registers something unusable."""


class StoreError(AuditError):
    """A run folder that is absent, incomplete or from a newer schema."""
