select '10101'::bit as bits, timetz '12:00:00+02' as at
