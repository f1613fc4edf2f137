with recursive people_below as (
    select id, 0 as depth from hr.people where boss is null
    union all
    select people.id, depth + 1 from hr.people join people_below on people.boss = people_below.id
)
select id, depth from people_below
