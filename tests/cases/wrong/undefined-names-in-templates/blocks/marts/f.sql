select 1 as f from {{ ref('ordrs') }}
