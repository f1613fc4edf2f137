select id, 3 * amount as amount from staging.positive
