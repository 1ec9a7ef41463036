package plain

// Hidden stands where a secret was.
const Hidden = "***"

var (
	// keys are words that begin as the keys of providers and others do; the word
	// before is kept.
	keys = Expression(`(^|[^A-Za-z0-9])((?i:sk|pk|rk|gsk|xai|pplx|hf|nvapi|fw|r8|tgp|ghp|gho|ghu|ghs|ghr|github_pat|glpat|xox[abeprs])[-_][A-Za-z0-9_-]{8,}|` +
		`AIza[A-Za-z0-9_-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)*)`)
	// runs are words so long that they may be random.
	runs = Expression(`[A-Za-z0-9]{20,}`)
	// passwords are those within addresses.
	passwords = Expression(`(://)[^/\s@]*@`)
	// pem is a key as a file has it.
	pem = Expression(`-----BEGIN [A-Z0-9 ]*KEY-----[^-]*(?:-----END [A-Z0-9 ]*KEY-----)?`)
)

// Discreet is s with Hidden in place of what looks like a key: people put theirs
// where a name belongs, and what is kept and shown is read by others.
func Discreet(s string) string {
	if len(s) < 8 {
		return s
	}
	s = pem().ReplaceAllLiteralString(s, Hidden)
	s = passwords().ReplaceAllString(s, "${1}"+Hidden+"@")
	s = keys().ReplaceAllString(s, "${1}"+Hidden)
	return runs().ReplaceAllStringFunc(s, func(word string) string {
		if random(word) {
			return Hidden
		}
		return word
	})
}

// random tells whether a word mixes letters and digits as no name does.
func random(word string) bool {
	digits, changes := 0, 0
	was := false
	for _, c := range []byte(word) {
		digit := c >= '0' && c <= '9'
		if digit {
			digits++
		}
		if digit != was {
			changes++
		}
		was = digit
	}
	return digits >= 3 && digits < len(word) && changes >= 4
}
