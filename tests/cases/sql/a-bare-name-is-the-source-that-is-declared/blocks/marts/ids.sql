select id from events
