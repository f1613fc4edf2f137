"""sqlflow: a build system for data. Write SELECTs; build what is stale, check it, publish it at once."""

TYPE_CHECKING = False
"""As type checkers take it; importing it from `typing` takes longer than all else that is done here."""
__version__ = "0.1.0"
__all__ = ["Context", "Project", "__version__", "assertion", "block"]

if TYPE_CHECKING:
    from sqlflow.app import Project
    from sqlflow.core.functions import Context, assertion, block


def __getattr__(name: str) -> object:
    """Import the API when it is first used: `import sqlflow` costs nothing."""
    if name == "Project":
        from sqlflow.app import Project

        return Project
    if name in ("Context", "assertion", "block"):
        from sqlflow.core import functions

        return getattr(functions, name)
    raise AttributeError(f"module `sqlflow` has no attribute `{name}`")
