-- A call by way of another aex on this ledger takes a hold in each. joint is the
-- hash of the secret by which the second hold joins the first, once; the second
-- is within the first, and is charged to those accounts of its path alone
-- (only_accounts, a JSON array) that the first does not charge.
ALTER TABLE hold ADD COLUMN joint BLOB;
ALTER TABLE hold ADD COLUMN within TEXT NOT NULL DEFAULT '';
ALTER TABLE hold ADD COLUMN only_accounts TEXT NOT NULL DEFAULT '[]';

-- What such second holds did charge: to the lowest account of their path
-- (within_micro), and to accounts of agents, where the call counts a second time.
ALTER TABLE tally ADD COLUMN within_micro INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tally ADD COLUMN twice_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tally ADD COLUMN twice_micro INTEGER NOT NULL DEFAULT 0;
