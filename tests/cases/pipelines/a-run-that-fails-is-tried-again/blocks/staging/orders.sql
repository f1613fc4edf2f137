select 1 as order_id, 10 as amount union all select 2, 20
