#!/bin/sh
# The users of gateways and operators. PostgreSQL's image runs this once, when it
# makes the database; the tables and what the roles may do are made by
# `aex ledger init-postgres` after it.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"
psql -v ON_ERROR_STOP=1 -U postgres -d "${POSTGRES_DB:-aex}" <<'SQL'
\set gate `cat "$SECRETS/gate.password"`
\set ops `cat "$SECRETS/ops.password"`
CREATE ROLE aex_gateway NOLOGIN;
CREATE ROLE aex_budget NOLOGIN;
CREATE ROLE gate LOGIN PASSWORD :'gate' IN ROLE aex_gateway;
CREATE ROLE ops LOGIN PASSWORD :'ops' IN ROLE aex_budget;
SQL
