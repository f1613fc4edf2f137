select id
from {{ ref('stg_ordres') }}
