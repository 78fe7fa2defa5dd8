-- Small things of the horde that are kept as one JSON document each: teams, styles, filters and the like.
CREATE TABLE record (
  kind  text NOT NULL,
  id    text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (kind, id)
) WITH (fillfactor = 70);
