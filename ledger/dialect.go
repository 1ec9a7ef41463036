package ledger

// dialect is where two databases want different words for the same question.
type dialect struct {
	// bind writes the placeholders of a query as the database wants them.
	bind func(query string) string
	// monthOf is the number of the day on which the month of a time in seconds began.
	monthOf func(seconds string) string
	// groupAccounts are the accounts, as g.value, that the group_accounts of hold list.
	groupAccounts string
	// endedCalls are an agent's calls that ended since an event and were held since
	// a time, for their pace: the hold, when it was taken, and the tokens.
	endedCalls string
	// soundRows find what its database should not have in it, and say so; else nothing or ok.
	soundRows []string
}

var sqliteDialect = dialect{
	bind: func(q string) string { return q },
	monthOf: func(s string) string {
		return `CAST(strftime('%s', ` + s + `, 'unixepoch', 'start of month') AS INTEGER) / 86400`
	},
	groupAccounts: `json_each(hold.group_accounts) g`,
	endedCalls: `SELECT json_extract(body, '$.hold'), json_extract(body, '$.held_at'), (
			SELECT coalesce(sum(value), 0) FROM json_each(body, '$.usage') WHERE key <> 'searches')
		FROM trail WHERE seq >= ?
			AND agent_id = ? AND action IN ('usage.commit', 'usage.cancel') AND json_extract(body, '$.held_at') > ?`,
	soundRows: []string{
		`PRAGMA integrity_check(1)`,
		`SELECT 'a row of ' || "table" || ' refers to a missing one of ' || parent FROM pragma_foreign_key_check LIMIT 1`,
	},
}
