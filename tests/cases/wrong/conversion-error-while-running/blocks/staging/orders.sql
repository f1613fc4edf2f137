select 'twelve' as amount
