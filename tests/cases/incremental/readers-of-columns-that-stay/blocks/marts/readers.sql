select
    (select count(status) from append) as appended,
    (select count(status) from ignore) as ignored,
    (select count(status) from history where is_current) as current
