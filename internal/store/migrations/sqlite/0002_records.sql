-- Small things of the horde that are kept as one JSON document each: teams, styles, filters and the like.
CREATE TABLE record (
  kind  TEXT NOT NULL,
  id    TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
