select '{{ target.nmae }}' as e
