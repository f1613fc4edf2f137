select count(*) as events from staging.events
