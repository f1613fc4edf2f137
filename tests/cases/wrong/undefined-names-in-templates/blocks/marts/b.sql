select '{{ var("contry") }}' as b
