package policy

import (
	"strings"
	"testing"
)

// TestWhatIsWrongShowsNoSecret: a line that is shown with what is wrong in it has no key and no password.
func TestWhatIsWrongShowsNoSecret(t *testing.T) {
	for line, want := range map[string]string{
		"    api_key: sk-secret":                                       "    api_key: …",
		`  x: {"api_key": "sk-secret"}`:                                `  x: {"api_key": …`,
		"    base_url: http://u:secret@h v/1":                          "    base_url: http://…@h v/1",
		"    base_url: https://h/v1":                                   "    base_url: https://h/v1",
		"    key_env: CORP_LLM_KEY":                                    "    key_env: CORP_LLM_KEY",
		"ȺȺȺkey:":                                                      "ȺȺȺkey: …",
		"x: {api_key : sk-secret}":                                     "x: {api_key : …",
		"x: {headers: {Authorization: Bearer sk-secret}, typ: openai}": "x: {headers: {Authorization: …",
		"limits: {max_tokens: 5}":                                      "limits: {max_tokens: 5}",
	} {
		if got := withoutKey(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
	for _, raw := range []string{"http://user:secret@ proxy/v1", "ftp://user:secret@h/v1"} {
		if _, err := normalBase("openai", "openai", raw); err == nil || len(err.Error()) > 80 || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
