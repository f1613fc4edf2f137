select {{ var('days') + 1 }} as n
