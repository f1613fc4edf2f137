select '{{ this.__class__.__mro__ }}' as a
