table staging.one
