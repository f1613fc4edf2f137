"""Whether what the service needs is installed."""

from importlib.util import find_spec

from sqlflow.core.errors import TargetError

_PACKAGES = {
    "apprise": "apprise", "croniter": "croniter", "prometheus-client": "prometheus_client", "starlette": "starlette",
    "uvicorn": "uvicorn", "watchfiles": "watchfiles",
}  # fmt: skip


def needed(command: str) -> None:
    """Raise TargetError if something is missing without which a command cannot work."""
    missing = [name for name, module in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        listed = ", ".join(missing)
        raise TargetError(
            f"`{command}` needs what is not installed: {listed}", hint="install it with `pip install 'sqlflow[serve]'`"
        )
