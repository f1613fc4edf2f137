select {{ net('gross') }} as net, {{ nested(3) }} as depth
from (values (12.0)) as t(gross)
