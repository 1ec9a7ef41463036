package wire

import "testing"

// Every path is served with its version segment, without it and with it twice;
// finding that out copies none of it.
func TestUnversioned(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/chat/completions":       "/chat/completions",
		"/chat/completions":          "/chat/completions",
		"/v1/v1/chat/completions":    "/chat/completions",
		"/v1/v1/v1/chat/completions": "/v1/chat/completions",
		"v1/models":                  "/models",
		"models":                     "/models",
		"/v1":                        "/v1",
		"/v1/":                       "/",
		"/v1//models":                "//models",
		"//v1/models":                "//v1/models",
		"/v10/models":                "/v10/models",
		"/":                          "/",
		"":                           "/",
	} {
		if got := Unversioned(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	var rest string
	if n := testing.AllocsPerRun(10, func() { rest = Unversioned("/v1/chat/completions") }); n > 0 {
		t.Errorf("%q took %v allocations", rest, n)
	}
}
