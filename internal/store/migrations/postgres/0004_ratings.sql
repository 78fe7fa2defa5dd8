-- Images to rate, what people said about them, and who says it. Times are microseconds, 0 for none; amounts are
-- hundredths of a kudos.
CREATE TABLE rating_image (
  id      bytea NOT NULL PRIMARY KEY,
  dataset text NOT NULL,
  blob    text NOT NULL,
  owner   bigint NOT NULL, -- account that asked for it, -1 for none
  request bytea NOT NULL,
  prompt  text NOT NULL,
  model   text NOT NULL,
  seed    bigint NOT NULL,
  params  bytea NOT NULL,    -- JSON
  client  text NOT NULL,
  nsfw    bigint NOT NULL,
  made    bigint NOT NULL,
  added   bigint NOT NULL,
  low     bigint NOT NULL, -- of the right answer, 0 when nobody knows it
  high    bigint NOT NULL,
  state   bigint NOT NULL, -- 0 open, 1 has votes enough, 2 withdrawn
  votes   bigint NOT NULL,
  reports bigint NOT NULL,
  place   bigint NOT NULL
);
CREATE INDEX rating_image_next ON rating_image (votes, place) WHERE state = 0;
CREATE INDEX rating_image_dataset ON rating_image (dataset, votes, place) WHERE state = 0;
CREATE INDEX rating_image_known ON rating_image (place) WHERE high > 0 AND state <> 2;

CREATE TABLE rating_vote (
  image     bytea NOT NULL,
  rater     bigint NOT NULL,
  turn      bigint NOT NULL, -- 0 is the vote; others answer the same image again
  kind      bigint NOT NULL,
  rating    bigint NOT NULL,
  artifacts bigint NOT NULL,
  best      bigint NOT NULL,
  own       bigint NOT NULL,
  client    text NOT NULL,
  guild     text NOT NULL,
  shown     bigint NOT NULL,
  at        bigint NOT NULL,
  requested bigint NOT NULL,
  fulfilled bigint NOT NULL,
  age       bigint NOT NULL, -- microseconds
  roles     bigint NOT NULL,
  probe     bigint NOT NULL,
  agreed    bigint NOT NULL,
  reward    bigint NOT NULL,
  paid      bigint NOT NULL,
  PRIMARY KEY (image, rater, turn)
);
CREATE INDEX rating_vote_rater ON rating_vote (rater, at);
CREATE INDEX rating_vote_owed ON rating_vote (at) WHERE paid = 0;

CREATE TABLE rating_set (
  request bytea NOT NULL PRIMARY KEY,
  rater   bigint NOT NULL,
  best    bytea NOT NULL,
  images  bigint NOT NULL,
  client  text NOT NULL,
  at      bigint NOT NULL,
  reward  bigint NOT NULL,
  paid    bigint NOT NULL
);
CREATE INDEX rating_set_owed ON rating_set (at) WHERE paid = 0;

CREATE TABLE rating_rater (
  rater  bigint NOT NULL PRIMARY KEY,
  seq    bigint NOT NULL,
  votes  bigint NOT NULL,
  reward bigint NOT NULL,
  hidden bigint NOT NULL,
  desk   bytea NOT NULL -- JSON
);
CREATE INDEX rating_rater_votes ON rating_rater (votes) WHERE hidden = 0;

CREATE TABLE rating_tally (
  scope     text NOT NULL,
  name      text NOT NULL,
  votes     bigint NOT NULL,
  artifacts bigint NOT NULL,
  PRIMARY KEY (scope, name)
);
