select max(word) as word from staging.words
