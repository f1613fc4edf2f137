select * from revenue_fr union all select * from stats.revenue_it
