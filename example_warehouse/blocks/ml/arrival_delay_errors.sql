/*---
description: How far the model and the plain baseline (the mean of the training period) are off, by month, as root mean squared error in minutes.
order_by: [month]
assert:
  - unique: month
  - range: {model_error_minutes: {min: 0}, baseline_error_minutes: {min: 0}}
---*/
select
    cast(extract(month from flight_date) as integer) as month,
    count(*) as flights,
    round(sqrt(avg((predicted_minutes - arrival_delay_minutes) ** 2)), 1) as model_error_minutes,
    round(sqrt(avg((baseline_minutes - arrival_delay_minutes) ** 2)), 1) as baseline_error_minutes,
    {{ average("predicted_minutes - arrival_delay_minutes") }} as model_bias_minutes
from ml.arrival_delay
group by all
