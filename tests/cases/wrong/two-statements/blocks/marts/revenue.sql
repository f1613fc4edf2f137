select 1 as id; -- the first
select 2 as id;
