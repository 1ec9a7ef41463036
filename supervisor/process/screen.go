//go:build linux || darwin

package process

import (
	"slices"
	"strconv"
	"strings"
)

// screen follows what the child writes to its terminal, just closely enough to know two things: whether the next byte
// may be aex's own (no escape sequence or character is half written), and which modes must be ended if the child is
// killed before it could do so.
type screen struct {
	state    byte
	params   []byte
	modes    map[int]bool // private modes that the child has on
	hidden   bool         // the cursor
	keyboard int          // pushed kitty keyboard modes
	keypad   bool         // application keypad
	colour   bool         // some rendition is set
	charset  bool         // G0 is not ASCII
	titled   bool         // the child has set a title of its own
	pending  int          // continuation bytes that the current character still needs
}

// States of the parser.
const (
	ground byte = iota
	escape
	control         // CSI
	command         // OSC
	commandEscape   // ESC in an OSC, perhaps its end
	opaque          // DCS, APC, PM, SOS
	opaqueEscape    //
	designate       // ESC (
	designateOther  // ESC ) and the like: one more byte
	maxParams       = 64
	altScreenNewest = 1049
)

// tracked are the private modes that a polite program turns off again.
var tracked = []int{1, 47, 1047, altScreenNewest, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026, 2031}

// clean reports whether the next byte may be aex's own.
func (s *screen) clean() bool { return s.state == ground && s.pending == 0 }

// full reports whether a program draws on the alternate screen.
func (s *screen) full() bool { return s.modes[47] || s.modes[1047] || s.modes[altScreenNewest] }

func (s *screen) feed(text []byte) {
	for _, b := range text {
		s.step(b)
	}
}

func (s *screen) step(b byte) {
	switch s.state {
	case ground:
		switch {
		case b == 0x1b:
			s.state, s.pending = escape, 0
		case b < 0x80, b >= 0xf8: // ASCII, or no character at all
			s.pending = 0
		case b >= 0xf0:
			s.pending = 3
		case b >= 0xe0:
			s.pending = 2
		case b >= 0xc0:
			s.pending = 1
		case s.pending > 0:
			s.pending--
		}
	case escape:
		s.escape(b)
	case control:
		switch {
		case b == 0x1b:
			s.state = escape
		case b == 0x18 || b == 0x1a:
			s.state = ground
		case b >= 0x40 && b <= 0x7e:
			s.state = ground
			s.controlSequence(string(s.params), b)
		case len(s.params) < maxParams:
			s.params = append(s.params, b)
		}
	case command, opaque:
		switch {
		case b == 0x07 && s.state == command, b == 0x18, b == 0x1a:
			s.state = ground
		case b == 0x1b:
			s.state++
		case s.state == command && len(s.params) < 2:
			if s.params = append(s.params, b); b == ';' && s.params[0] >= '0' && s.params[0] <= '2' {
				s.titled = true
			}
		}
	case commandEscape, opaqueEscape:
		if b == '\\' {
			s.state = ground
		} else {
			s.state = escape
			s.escape(b)
		}
	case designate:
		s.charset, s.state = b != 'B', ground
	case designateOther:
		s.state = ground
	}
}

// escape handles the byte after ESC.
func (s *screen) escape(b byte) {
	s.state, s.params = ground, s.params[:0]
	switch b {
	case '[':
		s.state = control
	case ']':
		s.state = command
	case 'P', 'X', '^', '_':
		s.state = opaque
	case '(':
		s.state = designate
	case ')', '*', '+', '#', '%', ' ':
		s.state = designateOther
	case '=':
		s.keypad = true
	case '>':
		s.keypad = false
	case 'c': // full reset
		*s = screen{titled: s.titled}
	case 0x1b:
		s.state = escape
	}
}

func (s *screen) controlSequence(params string, final byte) {
	switch {
	case (final == 'h' || final == 'l') && strings.HasPrefix(params, "?"):
		for field := range strings.SplitSeq(params[1:], ";") {
			n, err := strconv.Atoi(field)
			switch {
			case err != nil:
			case n == 25:
				s.hidden = final == 'l'
			case slices.Contains(tracked, n):
				if s.modes == nil {
					s.modes = map[int]bool{}
				}
				s.modes[n] = final == 'h'
			}
		}
	case final == 'm' && !strings.HasPrefix(params, ">"):
		last := params[strings.LastIndexByte(params, ';')+1:]
		s.colour = strings.Trim(last, "0") != ""
	case final == 'u' && strings.HasPrefix(params, ">"):
		s.keyboard++
	case final == 'u' && strings.HasPrefix(params, "<"):
		n, err := strconv.Atoi(params[1:])
		if err != nil {
			n = 1
		}
		s.keyboard = max(0, s.keyboard-n)
	}
}

// undo is the text that ends all that is on, or "" after a polite child.
func (s *screen) undo() string {
	var b strings.Builder
	switch s.state {
	case ground:
	case command, commandEscape, opaque, opaqueEscape:
		b.WriteString("\x1b\\") // a string that never ended
	default:
		b.WriteString("\x18")
	}
	b.WriteString(s.modesOff())
	if s.colour {
		b.WriteString("\x1b[m")
	}
	return b.String()
}

// modesOff is the part of undo that lasts: what a shell's next prompt does not mend by itself.
func (s *screen) modesOff() string {
	var b strings.Builder
	if s.keyboard > 0 {
		b.WriteString("\x1b[<" + strconv.Itoa(s.keyboard) + "u")
	}
	for _, n := range tracked {
		if s.modes[n] {
			b.WriteString("\x1b[?" + strconv.Itoa(n) + "l")
		}
	}
	if s.keypad {
		b.WriteString("\x1b>")
	}
	if s.charset {
		b.WriteString("\x1b(B")
	}
	if s.hidden {
		b.WriteString("\x1b[?25h")
	}
	return b.String()
}
