select {{ query("select 1 as n")[0].n }} as n, nothing
