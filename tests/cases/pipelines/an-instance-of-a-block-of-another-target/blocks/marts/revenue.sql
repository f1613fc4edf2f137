/*---
target: away
when: "{{ var('wanted', true) }}"
---*/
select '{{ var('currency') }}' as currency
