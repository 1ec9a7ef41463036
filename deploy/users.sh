#!/bin/sh
# The users of gateways and operators. PostgreSQL's image runs this once, when it
# makes the database; the tables and what the roles may do are made by
# `aex ledger init-postgres` after it.
set -eu
secrets=${SECRETS:-/run/secrets}
psql -v ON_ERROR_STOP=1 -U postgres -d "${POSTGRES_DB:-aex}" \
  -v gate="$(cat "$secrets/gate.password")" -v ops="$(cat "$secrets/ops.password")" <<'SQL'
CREATE ROLE aex_gateway NOLOGIN;
CREATE ROLE aex_budget NOLOGIN;
CREATE ROLE gate LOGIN PASSWORD :'gate' IN ROLE aex_gateway;
CREATE ROLE ops LOGIN PASSWORD :'ops' IN ROLE aex_budget;
SQL
