select amount from marts.revenue
