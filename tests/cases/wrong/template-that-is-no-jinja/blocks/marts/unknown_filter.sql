select {{ 'a' | no_filter }} as id
