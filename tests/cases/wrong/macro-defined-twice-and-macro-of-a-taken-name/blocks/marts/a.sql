select {{ money('1') }} as a
