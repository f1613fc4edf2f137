"""The OpenAPI document is true: schemathesis makes requests from it, good and bad, and holds the answers against it."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from msgspec.structs import replace
from schemathesis.specs.openapi.checks import negative_data_rejection
from served import QUICK, Called, called
from support import times

from sqlflow.service.http.openapi import document


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    roomy = replace(QUICK, path_bytes=1 << 20, head_bytes=1 << 20, headers=1000)
    with called(tmp_path_factory.mktemp("project"), roomy) as found:
        for name in ("free", "plain", "main"):
            found.history.request_run(name)
        yield found


UNDECIDED = [negative_data_rejection] if times(0, 1) else []
"""Of very many requests, a few are wrong in the token alone, which is put right here, or in an empty list, which is not sent."""
schema = schemathesis.openapi.from_dict(document())


@schema.parametrize()
@settings(
    max_examples=times(30, 600), deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
)  # fmt: skip
def test_what_the_document_says_is_true(case: schemathesis.Case, service: Called) -> None:
    case.call_and_validate(
        base_url=f"http://{service.host}", headers={"Authorization": f"Bearer {service.token}", "Connection": "close"},
        excluded_checks=UNDECIDED,
    )  # fmt: skip
