select id, letters[1] as first, len(letters) as letters, square.is as square from stats.daily
