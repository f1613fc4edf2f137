select {{ monney('amount') }} as c
