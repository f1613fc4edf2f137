select * from marts.switched
