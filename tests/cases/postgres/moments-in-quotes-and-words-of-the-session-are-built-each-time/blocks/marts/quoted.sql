select date 'today' as day
