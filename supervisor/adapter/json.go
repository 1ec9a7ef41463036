package adapter

// plainJSON is JSON as people write it, without comments and without commas
// before a closing bracket.
func plainJSON(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '"':
			end := i + 1
			for end < len(b) && b[end] != '"' {
				if b[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(b))
			out = append(out, b[i:end]...)
			i = end - 1
		case b[i] == '/' && i+1 < len(b) && b[i+1] == '/':
			for i+1 < len(b) && b[i+1] != '\n' {
				i++
			}
		case b[i] == '/' && i+1 < len(b) && b[i+1] == '*':
			i += 2
			for i+1 < len(b) && (b[i] != '*' || b[i+1] != '/') {
				i++
			}
			i++
		case b[i] == '}' || b[i] == ']':
			for len(out) > 0 && (out[len(out)-1] <= ' ' || out[len(out)-1] == ',') {
				out = out[:len(out)-1]
			}
			out = append(out, b[i])
		default:
			out = append(out, b[i])
		}
	}
	return out
}
