-- Whose days windows and reports have, since when (milliseconds since 1970);
-- before the first of these they are those of UTC.
CREATE TABLE zone (
	since INTEGER PRIMARY KEY,
	name  TEXT    NOT NULL
) STRICT;
