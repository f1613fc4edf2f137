/*---
description: How far the model and the plain baseline (the mean of the training period) are off, by month, in minutes.
order_by: [month]
assert:
  - unique: month
  - range: {model_mean_error_minutes: {min: 0}, baseline_mean_error_minutes: {min: 0}}
---*/
select
    cast(extract(month from flight_date) as integer) as month,
    count(*) as flights,
    {{ average("abs(predicted_minutes - arrival_delay_minutes)") }} as model_mean_error_minutes,
    {{ average("abs(baseline_minutes - arrival_delay_minutes)") }} as baseline_mean_error_minutes,
    {{ average("predicted_minutes - arrival_delay_minutes") }} as model_bias_minutes
from ml.arrival_delay
group by all
