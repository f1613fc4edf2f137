/*---
columns: {id: {made_from: [ml.scores.id]}}
---*/
select id from ml.scores
