select now() as at, count(*) as n from customers
