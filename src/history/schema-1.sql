-- Everything that scans came to, run by run. An endpoint is one of a vantage: the same address seen
-- from another place may be another host. What is seen again unchanged is not stored again: runs
-- refer to observations through "seen".

CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  -- The report's scan.id.
  scan_id TEXT NOT NULL UNIQUE,
  -- '' where it has no label.
  vantage TEXT NOT NULL,
  -- What is compared with what: runs of one vantage with the same scope.
  scope TEXT NOT NULL,
  targets_digest TEXT,
  shard TEXT,
  -- Milliseconds since 1970.
  started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
  endpoints INTEGER NOT NULL,
  -- The worst severity that is not suppressed.
  worst TEXT,
  -- The report's own, in JSON.
  scan TEXT NOT NULL,
  tool TEXT NOT NULL,
  summary TEXT NOT NULL
) STRICT;
CREATE INDEX run_of_scope ON run (vantage, scope, started_at);

CREATE TABLE endpoint (
  id INTEGER PRIMARY KEY,
  vantage TEXT NOT NULL,
  -- The report's id, such as tcp/10.0.0.5:2376.
  name TEXT NOT NULL,
  address TEXT NOT NULL,
  port INTEGER NOT NULL,
  -- Family, address and port as bytes: the report's order.
  place BLOB NOT NULL,
  UNIQUE (vantage, name)
) STRICT;
CREATE INDEX endpoint_of_address ON endpoint (address);

-- Names of the rules that passed together: few, and the same for many endpoints.
CREATE TABLE rules_passed (
  id INTEGER PRIMARY KEY,
  rules TEXT NOT NULL UNIQUE
) STRICT;

-- What was concluded of an endpoint, and held at least from first_seen to last_seen, which are starts
-- of runs.
CREATE TABLE observation (
  id INTEGER PRIMARY KEY,
  endpoint INTEGER NOT NULL REFERENCES endpoint,
  -- Of all that is here and of the findings.
  digest BLOB NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  plain INTEGER NOT NULL CHECK (plain IN (0, 1)),
  access TEXT NOT NULL,
  access_reason TEXT NOT NULL,
  version TEXT,
  engine_id TEXT,
  certificate TEXT,
  -- Null where there is no TLS; else names with blanks between them.
  tls_accepted TEXT,
  tls_undetermined TEXT,
  grade TEXT,
  -- SHA-256 of the public key whose private half the handshake proved, and its certificate's subject.
  proved_key TEXT,
  key_subject TEXT,
  rules_passed INTEGER NOT NULL REFERENCES rules_passed,
  -- JSON: rules that could not be answered, with the reason.
  rules_undetermined TEXT NOT NULL,
  UNIQUE (endpoint, digest)
) STRICT;
CREATE INDEX observation_of_key ON observation (proved_key) WHERE proved_key IS NOT NULL;

CREATE TABLE seen (
  run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
  observation INTEGER NOT NULL REFERENCES observation,
  PRIMARY KEY (run, observation)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_by_observation ON seen (observation);

-- A rule's words, once.
CREATE TABLE rule (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  title TEXT NOT NULL,
  UNIQUE (name, title)
) STRICT;

CREATE TABLE finding (
  observation INTEGER NOT NULL REFERENCES observation,
  -- In the report's order.
  number INTEGER NOT NULL,
  -- The report's id, stable over runs.
  id TEXT NOT NULL,
  rule INTEGER NOT NULL REFERENCES rule,
  severity TEXT NOT NULL,
  subject TEXT,
  evidence TEXT NOT NULL,
  -- JSON: reason, last day and place of a suppression.
  suppressed TEXT,
  PRIMARY KEY (observation, number)
) STRICT, WITHOUT ROWID;

-- What shows only across the endpoints of a run.
CREATE TABLE fleet_finding (
  run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
  id TEXT NOT NULL,
  rule INTEGER NOT NULL REFERENCES rule,
  severity TEXT NOT NULL,
  subject TEXT,
  evidence TEXT NOT NULL,
  suppressed TEXT,
  -- JSON: names of endpoints.
  endpoints TEXT NOT NULL,
  PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;

-- Endpoints that earlier runs knew and this run does not list, with what was last known of them.
CREATE TABLE absent (
  run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
  endpoint INTEGER NOT NULL REFERENCES endpoint,
  state TEXT NOT NULL,
  observation INTEGER REFERENCES observation,
  PRIMARY KEY (run, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX absent_by_endpoint ON absent (endpoint);

-- RSA moduli that were shown, each once.
CREATE TABLE modulus (
  id INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  -- Big-endian.
  modulus BLOB NOT NULL,
  exponent BLOB
) STRICT;

CREATE TABLE shown_modulus (
  observation INTEGER NOT NULL REFERENCES observation,
  modulus INTEGER NOT NULL REFERENCES modulus,
  PRIMARY KEY (observation, modulus)
) STRICT, WITHOUT ROWID;
CREATE INDEX shown_by_modulus ON shown_modulus (modulus);

-- For people with a shell: a finding a row, with the runs in which it was seen.
CREATE VIEW findings AS
  SELECT run.scan_id, run.started_at, endpoint.vantage, endpoint.name AS endpoint, rule.name AS rule,
         finding.severity, finding.subject, rule.title, finding.evidence, finding.suppressed, finding.id
  FROM run
  JOIN seen ON seen.run = run.id
  JOIN observation ON observation.id = seen.observation
  JOIN endpoint ON endpoint.id = observation.endpoint
  JOIN finding ON finding.observation = observation.id
  JOIN rule ON rule.id = finding.rule;
