select steps.name as this_one, following.name as next_one
from staging.steps
join steps as following on following.id = steps.id + 1
