unpivot marts.by_year on columns(* exclude shop) into name year value amount
