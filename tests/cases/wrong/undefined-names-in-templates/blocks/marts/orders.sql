select '{{ env("PATH", "x") }}' as path
