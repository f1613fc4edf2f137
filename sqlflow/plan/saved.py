"""A plan as a file: what it was made from, so that it is executed only while that is still so."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlflow.core.errors import UsageError
from sqlflow.plan.origins import hashed
from sqlflow.plan.plan import Plan, all_assertions

AGAIN = "make it again with `sqlflow plan --output json`"


def fingerprints(plan: Plan) -> dict[str, str]:
    """Return what a plan was made from: hashes of the project with its files, and of what is published."""
    keys = [(str(name), key.code, key.inputs) for name, key in sorted(plan.keys.items())]
    assertions = [
        (item.key, item.severity, str(item.fail_above), item.code.text.text) for item in all_assertions(plan.project)
    ]
    published = plan.cookbook.published if plan.cookbook else {}
    shown = sorted((str(name), relation.name) for name, relation in published.items())
    return {
        "project": hashed(json.dumps([keys, sorted(assertions)], default=str)),
        "state": hashed(json.dumps(shown)) if plan.keys else "",
    }


def text_of(path: str | Path) -> str:
    """Return what is in a plan's file. Raise UsageError if it cannot be read."""
    try:
        return Path(path).read_text()
    except OSError as error:
        raise UsageError(f"the plan `{path}` cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the plan `{path}` cannot be read: it is not UTF-8") from error


def read(text: str, path: str) -> Mapping[str, Any]:
    """Return the document of a plan's file. Raise UsageError if it is none."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"`{path}` is no plan: it is no JSON", hint=AGAIN) from error
    wanted = {
        "steps": list,
        "project": str,
        "state": str,
        "target": str,
        "environment": str,
        "select": list,
        "exclude": list,
        "is_offline": bool,
    }
    if not isinstance(document, dict) or any(not isinstance(document.get(key), kind) for key, kind in wanted.items()):
        raise UsageError(f"`{path}` is no plan", hint=AGAIN)
    if document["is_offline"]:
        raise UsageError(
            f"the plan in `{path}` was made with `--offline`: it does not know what the target shows", hint=AGAIN
        )
    return document


def refuse_stale(document: Mapping[str, Any], plan: Plan, path: str) -> None:
    """Raise UsageError if the project or the target is not what it was when the plan was made."""
    now = fingerprints(plan)
    if document["target"] != plan.project.target.name:
        raise UsageError(
            f"the plan in `{path}` is for the target `{document['target']}`, not `{plan.project.target.name}`"
        )
    if document["environment"] != plan.project.environment.name:
        raise UsageError(
            f"the plan in `{path}` is for the environment `{document['environment']}`, not `{plan.project.environment.name}`"
        )
    for part, what in (("project", "the project has changed"), ("state", "something else has been published")):
        if document[part] != now[part]:
            raise UsageError(f"the plan in `{path}` is not true any more: {what} since it was made", hint=AGAIN)
    steps = [(step.get("block"), step.get("action")) for step in document["steps"] if isinstance(step, dict)]
    if steps != [(str(step.block), step.action) for step in plan.steps]:
        raise UsageError(
            f"the plan in `{path}` is not true any more: other versions are there than when it was made", hint=AGAIN
        )
