select '{{ env("HOME_COUNTRY") }}' as d, '{{ env("PATH") }}' as e
