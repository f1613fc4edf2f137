/*---
wait_for:
  - {file: 'inbox/*.csv', every: 0.01s, timeout: 0.05s}
  - {time: "00:00", timezone: Europe/Berlin}
  - {query: select count(*) > 0 from main.loads, every: 0.01s, timeout: 0.05s}
---*/
select 1 as one
