select orders.*, people.name, planes.tailnum
from raw.orders
join raw.people on (orders.id = 1) = (people.name = 'ada')
join raw.planes on planes.id = orders.id
