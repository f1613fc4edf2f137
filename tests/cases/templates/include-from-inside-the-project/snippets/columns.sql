1 as id, '{{ this.name }}' as made_for
