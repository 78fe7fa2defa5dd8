-- What the chat door remembers beside messages: one JSON document each. Times are microseconds, 0 for none.
CREATE TABLE chat_doc (
  kind    TEXT NOT NULL,
  key     TEXT NOT NULL,
  person  TEXT NOT NULL,
  guild   TEXT NOT NULL,
  value   BLOB NOT NULL,
  due     INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT;
CREATE INDEX chat_doc_person ON chat_doc (person, kind) WHERE person <> '';
CREATE INDEX chat_doc_guild ON chat_doc (guild, kind) WHERE guild <> '';
CREATE INDEX chat_doc_due ON chat_doc (kind, due) WHERE due > 0;
CREATE INDEX chat_message_person ON chat_message (person, created);
