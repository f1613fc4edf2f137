-- ref('nothing') in a comment is no dependency
select 1 as id
