select status, count(*) as n from staging.orders group by status
