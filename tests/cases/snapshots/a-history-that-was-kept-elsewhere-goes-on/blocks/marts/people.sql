select id, city, dbt_valid_from as valid_from, cast(nullif(dbt_valid_to, '') as timestamp) as valid_to, coalesce(dbt_valid_to, '') = '' as is_current
from raw.old_people
