with more as (TABLE staging.one) select m.a, o.a as b from more m join (table  staging.one) o on o.a = m.a
