"""The API of a service that runs: bound, guarded and answering until the end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlflow.core.errors import printable
from sqlflow.core.secrets import masked
from sqlflow.service.history import FILE
from sqlflow.service.http import tokens
from sqlflow.service.http.application import application
from sqlflow.service.http.metrics import Metrics
from sqlflow.service.http.server import Address, check_address, serving
from sqlflow.service.service import Service


@contextmanager
def answering(service: Service, address: Address, metrics: Metrics) -> Iterator[Address]:
    """Answer the API of a service until the end of the `with`, and tell where.

    Raise UsageError for an address that others can reach while nobody was given a token, TargetError if it cannot be bound.
    """
    state = service.root / FILE.parent
    check_address(address, tokens.kept(state))
    app = application(service, tokens.Keyring(state), address.hosts, metrics=metrics)
    log, heard = logging.getLogger("sqlflow.service"), _Told(service)
    log.addHandler(heard)
    try:
        with serving(app, address) as bound:
            service.tell(f"listening at {bound.url}/api/v1/, with the token in {FILE.parent / tokens.LOCAL}")
            yield bound
    finally:
        log.removeHandler(heard)


class _Told(logging.Handler):
    """Tells what goes wrong behind the API where the service tells everything."""

    def __init__(self, service: Service) -> None:
        super().__init__(logging.WARNING)
        self.service = service

    def emit(self, record: logging.LogRecord) -> None:
        self.service.tell(f"error: {printable(masked(record.getMessage()))}")
