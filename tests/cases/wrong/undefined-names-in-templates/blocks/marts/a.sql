select
    '{{ contry }}' as a
