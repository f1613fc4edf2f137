"""The JSON Schemas of `sqlflow.yml` and of pipelines, made from the types that they are read into."""

from typing import Any

from sqlflow.core.config import BlockConfig, NotificationConfig, ProjectConfig
from sqlflow.core.pipeline_config import PipelineConfig
from sqlflow.read.engines import engine, engine_names


def json_schema() -> dict[str, Any]:
    """Return the schema. Targets may have the keys of any installed engine."""
    settings = [engine(name).settings for name in engine_names()]
    schemas, components = _components([ProjectConfig, BlockConfig, NotificationConfig, *settings])
    project = components["ProjectConfig"]["properties"]
    project["targets"]["additionalProperties"] = {"anyOf": list(schemas[3:])}
    project["defaults"]["additionalProperties"] = {**schemas[1]}
    project["notifications"]["additionalProperties"] = {**schemas[2]}
    return _document("sqlflow.yml", "ProjectConfig", components)


def pipeline_schema() -> dict[str, Any]:
    """Return the schema of a file of `pipelines/`."""
    return _document("a pipeline", "PipelineConfig", _components([PipelineConfig])[1])


def _components(kinds: list[type]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """Return the schemas of some kinds, and those that they are put together from, which take no other keys."""
    import msgspec

    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    for component in components.values():
        component["additionalProperties"] = False
        component.setdefault("properties", {})
    return schemas, components


_SHORT = {
    "ColumnConfig": "string", "SourceConfig": "string", "IndexConfig": ["string", "array"], "RetriesConfig": "integer",
    "FilesConfig": "string", "QueryConfig": "string", "WebhookConfig": "string", "NoticeConfig": "string",
    "ExportConfig": "string", "NotificationConfig": ["string", "array"], "OriginConfig": "string",
}  # fmt: skip
"""What may stand for a mapping."""


def _document(title: str, root: str, components: dict[str, Any]) -> dict[str, Any]:
    for component in components.values():
        _loosen(component["properties"])
    for name in components.keys() & _SHORT.keys():
        components[name] = {"anyOf": [{"type": _SHORT[name]}, components[name]]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "$ref": f"#/$defs/{root}",
        "$defs": components,
    }


def _loosen(properties: dict[str, Any]) -> None:
    """Let a single value stand where a list of one is meant, and a time be text, as the reader does."""
    for name, schema in properties.items():
        if any(arm.get("type") == "number" for arm in schema.get("anyOf", ())):
            schema["anyOf"] = [{"type": ["number", "string", "null"]}]
        if name == "memory_limit" and {"type": "integer"} in schema.get("anyOf", ()):
            schema["anyOf"] = [{"type": ["integer", "string", "null"]}]
        if schema.get("type") == "number":
            schema["type"] = ["number", "string"]
        if schema.get("type") == "array":
            described = {"description": schema.pop("description")} if "description" in schema else {}
            properties[name] = {**described, "anyOf": [schema, {"type": ["string", "object"]}]}


def json_schema_text() -> str:
    """Return the schema of the project file as a file's text."""
    return _text(json_schema())


def pipeline_schema_text() -> str:
    """Return the schema of pipelines as a file's text."""
    return _text(pipeline_schema())


def _text(schema: dict[str, Any]) -> str:
    import json

    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
