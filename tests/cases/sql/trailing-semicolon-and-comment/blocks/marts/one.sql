-- reads nothing; from staging.never
select 1 as id, ';' as semicolon; -- that is all
/* and select * from {{ 'nothing' }} */
