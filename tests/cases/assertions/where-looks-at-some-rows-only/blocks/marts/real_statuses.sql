select unnest(['placed', 'shipped']) as status
