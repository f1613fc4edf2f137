/*---
when: "{{ vra('x') }}"
---*/
select 1 as one
