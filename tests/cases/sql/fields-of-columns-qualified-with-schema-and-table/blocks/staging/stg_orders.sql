select 1 as id, 5 as amount, {'zip': 50667, 'town': {'name': 'Köln'}} as place
