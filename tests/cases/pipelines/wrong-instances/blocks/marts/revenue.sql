select '{{ var('country') }}' as country, {{ 1 // var('size', 1) }} as size
