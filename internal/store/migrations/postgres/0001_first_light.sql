-- The first tables. Times are microseconds since 1970 in UTC, 0 for none; amounts are hundredths of a kudos.
-- SQLite's file of the same number has the same tables and columns. No index holds a column that changes often,
-- and pages keep room, so that updates stay in their page.

-- Who may write: epoch grows with each leader, seq with each of its commits.
CREATE TABLE leader (
  role   text   NOT NULL PRIMARY KEY,
  epoch  bigint NOT NULL,
  seq    bigint NOT NULL,
  holder text   NOT NULL,
  since  bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO leader (role, epoch, seq, holder, since) VALUES ('core', 0, 0, '', 0);

CREATE TABLE account (
  id          bigint  NOT NULL PRIMARY KEY,
  external    text    NOT NULL UNIQUE,
  key_hash    bytea   NOT NULL UNIQUE,
  name        text    NOT NULL,
  created     bigint  NOT NULL,
  last_active bigint  NOT NULL,
  roles       bigint  NOT NULL,
  concurrency integer NOT NULL,
  invited     integer NOT NULL,
  suspicion   integer NOT NULL,
  balance     bigint  NOT NULL,
  held        bigint  NOT NULL,
  evaluated   bigint  NOT NULL,
  details     text    NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE worker (
  id        uuid   NOT NULL PRIMARY KEY,
  owner     bigint NOT NULL,
  type      text   NOT NULL,
  created   bigint NOT NULL,
  last_seen bigint NOT NULL,
  origin    text   NOT NULL,
  offer     text   NOT NULL,
  record    text   NOT NULL
) WITH (fillfactor = 50);

-- Live requests only: a request leaves with its generations when it expires.
CREATE TABLE request (
  id       uuid     NOT NULL PRIMARY KEY,
  user_id  bigint   NOT NULL,
  origin   text     NOT NULL,
  created  bigint   NOT NULL,
  rank     bigint   NOT NULL,
  price    bigint   NOT NULL,
  n        integer  NOT NULL,
  jobs     integer  NOT NULL,
  faults   integer  NOT NULL,
  state    smallint NOT NULL,
  expiry   bigint   NOT NULL,
  consumed bigint   NOT NULL,
  held     bigint   NOT NULL,
  spec     text     NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE generation (
  request  uuid     NOT NULL,
  id       uuid     NOT NULL,
  worker   uuid     NOT NULL,
  model    text     NOT NULL,
  seed     bigint   NOT NULL,
  state    smallint NOT NULL,
  started  bigint   NOT NULL,
  deadline bigint   NOT NULL,
  finished bigint   NOT NULL,
  blob     text     NOT NULL,
  censored boolean  NOT NULL,
  meta     text     NOT NULL,
  reward   bigint   NOT NULL,
  PRIMARY KEY (request, id)
) WITH (fillfactor = 70);

-- The ledger: postings of one event sum to zero; event ids have no gaps.
CREATE TABLE event (
  id      bigint   NOT NULL PRIMARY KEY,
  key     text     NOT NULL UNIQUE,
  kind    smallint NOT NULL,
  created bigint   NOT NULL
);

CREATE TABLE posting (
  event   bigint   NOT NULL,
  line    smallint NOT NULL,
  account bigint   NOT NULL,
  amount  bigint   NOT NULL,
  PRIMARY KEY (event, line)
);
CREATE INDEX posting_account ON posting (account, event);

-- Balances of the ledger's own accounts: treasury, burn, subsidy.
CREATE TABLE system_account (
  id      bigint NOT NULL PRIMARY KEY,
  balance bigint NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE modes (
  id          integer NOT NULL PRIMARY KEY CHECK (id = 1),
  maintenance boolean NOT NULL,
  invite_only boolean NOT NULL,
  raid        boolean NOT NULL
);

-- The one message in chat of each request that was asked for in chat.
CREATE TABLE chat_message (
  key        text    NOT NULL PRIMARY KEY,
  request    text    NOT NULL,
  app        text    NOT NULL,
  guild      text    NOT NULL,
  channel    text    NOT NULL,
  message    text    NOT NULL,
  person     text    NOT NULL,
  sealed     bytea   NOT NULL,
  token_ends bigint  NOT NULL,
  ephemeral  boolean NOT NULL,
  params     bytea   NOT NULL,
  created    bigint  NOT NULL,
  open       boolean NOT NULL
);
CREATE INDEX chat_message_request ON chat_message (request);
CREATE INDEX chat_message_message ON chat_message (channel, message);
CREATE INDEX chat_message_open ON chat_message (created) WHERE open;

CREATE TABLE setting (
  name  text  NOT NULL PRIMARY KEY,
  value bytea NOT NULL
);
