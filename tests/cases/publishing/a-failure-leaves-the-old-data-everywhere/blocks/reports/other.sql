select {{ var('amount') }} as amount
