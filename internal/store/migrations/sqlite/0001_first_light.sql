-- The first tables. Times are microseconds since 1970 in UTC, 0 for none; amounts are hundredths of a kudos.
-- PostgreSQL's file of the same number has the same tables and columns.

-- Who may write: epoch grows with each leader, seq with each of its commits.
CREATE TABLE leader (
  role   TEXT    NOT NULL PRIMARY KEY,
  epoch  INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  holder TEXT    NOT NULL,
  since  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO leader (role, epoch, seq, holder, since) VALUES ('core', 0, 0, '', 0);

CREATE TABLE account (
  id          INTEGER NOT NULL PRIMARY KEY,
  external    TEXT    NOT NULL UNIQUE,
  key_hash    BLOB    NOT NULL UNIQUE,
  name        TEXT    NOT NULL,
  created     INTEGER NOT NULL,
  last_active INTEGER NOT NULL,
  roles       INTEGER NOT NULL,
  concurrency INTEGER NOT NULL,
  invited     INTEGER NOT NULL,
  suspicion   INTEGER NOT NULL,
  balance     INTEGER NOT NULL,
  held        INTEGER NOT NULL,
  evaluated   INTEGER NOT NULL,
  details     TEXT    NOT NULL
) STRICT;

CREATE TABLE worker (
  id        BLOB    NOT NULL PRIMARY KEY,
  owner     INTEGER NOT NULL,
  type      TEXT    NOT NULL,
  created   INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  origin    TEXT    NOT NULL,
  offer     TEXT    NOT NULL,
  record    TEXT    NOT NULL
) STRICT;

-- Live requests only: a request leaves with its generations when it expires.
CREATE TABLE request (
  id       BLOB    NOT NULL PRIMARY KEY,
  user_id  INTEGER NOT NULL,
  origin   TEXT    NOT NULL,
  created  INTEGER NOT NULL,
  rank     INTEGER NOT NULL,
  price    INTEGER NOT NULL,
  n        INTEGER NOT NULL,
  jobs     INTEGER NOT NULL,
  faults   INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  expiry   INTEGER NOT NULL,
  consumed INTEGER NOT NULL,
  held     INTEGER NOT NULL,
  spec     TEXT    NOT NULL
) STRICT;

CREATE TABLE generation (
  request  BLOB    NOT NULL,
  id       BLOB    NOT NULL,
  worker   BLOB    NOT NULL,
  model    TEXT    NOT NULL,
  seed     INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  started  INTEGER NOT NULL,
  deadline INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  blob     TEXT    NOT NULL,
  censored INTEGER NOT NULL,
  meta     TEXT    NOT NULL,
  reward   INTEGER NOT NULL,
  PRIMARY KEY (request, id)
) STRICT, WITHOUT ROWID;

-- The ledger: postings of one event sum to zero; event ids have no gaps.
CREATE TABLE event (
  id      INTEGER NOT NULL PRIMARY KEY,
  key     TEXT    NOT NULL UNIQUE,
  kind    INTEGER NOT NULL,
  created INTEGER NOT NULL
) STRICT;

CREATE TABLE posting (
  event   INTEGER NOT NULL,
  line    INTEGER NOT NULL,
  account INTEGER NOT NULL,
  amount  INTEGER NOT NULL,
  PRIMARY KEY (event, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX posting_account ON posting (account, event);

-- Balances of the ledger's own accounts: treasury, burn, subsidy.
CREATE TABLE system_account (
  id      INTEGER NOT NULL PRIMARY KEY,
  balance INTEGER NOT NULL
) STRICT;

CREATE TABLE modes (
  id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  maintenance INTEGER NOT NULL,
  invite_only INTEGER NOT NULL,
  raid        INTEGER NOT NULL
) STRICT;

-- The one message in chat of each request that was asked for in chat.
CREATE TABLE chat_message (
  key        TEXT    NOT NULL PRIMARY KEY,
  request    TEXT    NOT NULL,
  app        TEXT    NOT NULL,
  guild      TEXT    NOT NULL,
  channel    TEXT    NOT NULL,
  message    TEXT    NOT NULL,
  person     TEXT    NOT NULL,
  sealed     BLOB    NOT NULL,
  token_ends INTEGER NOT NULL,
  ephemeral  INTEGER NOT NULL,
  params     BLOB    NOT NULL,
  created    INTEGER NOT NULL,
  open       INTEGER NOT NULL
) STRICT;
CREATE INDEX chat_message_request ON chat_message (request);
CREATE INDEX chat_message_message ON chat_message (channel, message);
CREATE INDEX chat_message_open ON chat_message (created) WHERE open;

CREATE TABLE setting (
  name  TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
