"""The JSON Schema of `sqlflow.yml`, made from the types that it is read into."""

from typing import Any

from sqlflow.core.config import BlockConfig, ProjectConfig
from sqlflow.read.engines import engine, engine_names


def json_schema() -> dict[str, Any]:
    """Return the schema. Targets may have the keys of any installed engine."""
    import msgspec

    settings = [engine(name).settings for name in engine_names()]
    schemas, components = msgspec.json.schema_components(
        [ProjectConfig, BlockConfig, *settings], ref_template="#/$defs/{name}"
    )
    for component in components.values():
        component["additionalProperties"] = False
        component.setdefault("properties", {})
    project = components["ProjectConfig"]["properties"]
    project["targets"]["additionalProperties"] = {"anyOf": list(schemas[2:])}
    project["defaults"]["additionalProperties"] = {**schemas[1]}
    for component in components.values():
        _loosen(component["properties"])
    for name, short in (("ColumnConfig", "string"), ("SourceConfig", "string"), ("IndexConfig", ["string", "array"])):
        components[name] = {"anyOf": [{"type": short}, components[name]]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sqlflow.yml",
        "$ref": "#/$defs/ProjectConfig",
        "$defs": components,
    }


def _loosen(properties: dict[str, Any]) -> None:
    """Let a single value stand where a list of one is meant, and a time be text, as the reader does."""
    for name, schema in properties.items():
        if {"type": "number"} in schema.get("anyOf", ()):
            schema["anyOf"] = [{"type": ["number", "string", "null"]}]
        if name == "memory_limit" and {"type": "integer"} in schema.get("anyOf", ()):
            schema["anyOf"] = [{"type": ["integer", "string", "null"]}]
        if schema.get("type") == "number":
            schema["type"] = ["number", "string"]
        if schema.get("type") == "array":
            described = {"description": schema.pop("description")} if "description" in schema else {}
            properties[name] = {**described, "anyOf": [schema, {"type": ["string", "object"]}]}


def json_schema_text() -> str:
    """Return the schema as a file's text."""
    import json

    return json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"
