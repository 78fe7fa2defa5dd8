-- Images to rate, what people said about them, and who says it. Times are microseconds, 0 for none; amounts are
-- hundredths of a kudos.
CREATE TABLE rating_image (
  id      BLOB NOT NULL PRIMARY KEY,
  dataset TEXT NOT NULL,
  blob    TEXT NOT NULL,
  owner   INTEGER NOT NULL, -- account that asked for it, -1 for none
  request BLOB NOT NULL,
  prompt  TEXT NOT NULL,
  model   TEXT NOT NULL,
  seed    INTEGER NOT NULL,
  params  BLOB NOT NULL,    -- JSON
  client  TEXT NOT NULL,
  nsfw    INTEGER NOT NULL,
  made    INTEGER NOT NULL,
  added   INTEGER NOT NULL,
  low     INTEGER NOT NULL, -- of the right answer, 0 when nobody knows it
  high    INTEGER NOT NULL,
  state   INTEGER NOT NULL, -- 0 open, 1 has votes enough, 2 withdrawn
  votes   INTEGER NOT NULL,
  reports INTEGER NOT NULL,
  place   INTEGER NOT NULL
) STRICT;
CREATE INDEX rating_image_next ON rating_image (votes, place) WHERE state = 0;
CREATE INDEX rating_image_dataset ON rating_image (dataset, votes, place) WHERE state = 0;
CREATE INDEX rating_image_known ON rating_image (place) WHERE high > 0 AND state <> 2;

CREATE TABLE rating_vote (
  image     BLOB NOT NULL,
  rater     INTEGER NOT NULL,
  turn      INTEGER NOT NULL, -- 0 is the vote; others answer the same image again
  kind      INTEGER NOT NULL,
  rating    INTEGER NOT NULL,
  artifacts INTEGER NOT NULL,
  best      INTEGER NOT NULL,
  own       INTEGER NOT NULL,
  client    TEXT NOT NULL,
  guild     TEXT NOT NULL,
  shown     INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  requested INTEGER NOT NULL,
  fulfilled INTEGER NOT NULL,
  age       INTEGER NOT NULL, -- microseconds
  roles     INTEGER NOT NULL,
  probe     INTEGER NOT NULL,
  agreed    INTEGER NOT NULL,
  reward    INTEGER NOT NULL,
  paid      INTEGER NOT NULL,
  PRIMARY KEY (image, rater, turn)
) STRICT;
CREATE INDEX rating_vote_rater ON rating_vote (rater, at);
CREATE INDEX rating_vote_owed ON rating_vote (at) WHERE paid = 0;

CREATE TABLE rating_set (
  request BLOB NOT NULL PRIMARY KEY,
  rater   INTEGER NOT NULL,
  best    BLOB NOT NULL,
  images  INTEGER NOT NULL,
  client  TEXT NOT NULL,
  at      INTEGER NOT NULL,
  reward  INTEGER NOT NULL,
  paid    INTEGER NOT NULL
) STRICT;
CREATE INDEX rating_set_owed ON rating_set (at) WHERE paid = 0;

CREATE TABLE rating_rater (
  rater  INTEGER NOT NULL PRIMARY KEY,
  seq    INTEGER NOT NULL,
  votes  INTEGER NOT NULL,
  reward INTEGER NOT NULL,
  hidden INTEGER NOT NULL,
  desk   BLOB NOT NULL -- JSON
) STRICT;
CREATE INDEX rating_rater_votes ON rating_rater (votes) WHERE hidden = 0;

CREATE TABLE rating_tally (
  scope     TEXT NOT NULL,
  name      TEXT NOT NULL,
  votes     INTEGER NOT NULL,
  artifacts INTEGER NOT NULL,
  PRIMARY KEY (scope, name)
) STRICT;
