pivot raw.sales on year using sum(amount) group by shop
