select '{{ var("branch") }}' as branch, '{{ var("region") }}' as region
