select id, score * 2 as twice, carrier from ml.scores where id > 0
