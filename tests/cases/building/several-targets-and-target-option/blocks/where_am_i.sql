select '{{ target.name }}' as name, '{{ target.engine }}' as engine, '{{ target.schema }}' as schema
