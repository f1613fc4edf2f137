select '{{ start }}' as moment
