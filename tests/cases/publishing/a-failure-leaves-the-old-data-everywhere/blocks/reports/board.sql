select revenue from marts.revenue
