select id from landing.visits
