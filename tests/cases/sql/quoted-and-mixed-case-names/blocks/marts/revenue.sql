select "Order Id", o.AMOUNT as amount, STAGING."stg_orders"."Order Id" as again
from "staging"."STG_ORDERS" as o
join staging.Stg_Orders using ("Order Id")
