/*---
when: "{{ var('country') == 'FR' }}"
---*/
select 1 as one
