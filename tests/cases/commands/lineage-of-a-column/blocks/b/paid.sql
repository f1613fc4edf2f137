select * exclude (status) from orders where status = 'paid'
