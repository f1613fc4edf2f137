select city, count(*) as people from people where is_current group by city
