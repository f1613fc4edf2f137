select * from marts.revenue as revenue where revenue.revenue not in (30, 31)
