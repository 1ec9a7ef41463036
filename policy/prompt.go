package policy

const (
	// seamTokens are allowed for each place where a prompt differs from an
	// earlier one: what a template puts between messages.
	seamTokens = 64
	// CountMargin is what the bill may exceed a provider's count by: counts are
	// published as estimates, off by a few tokens.
	CountMargin = seamTokens
	// sparseBytes is how many bytes of text a token stands for at most: a
	// provider that reports fewer tokens is not believed.
	sparseBytes = 12
)

// Paid is a prompt that has been paid for: what it was counted as, and its
// pieces by hash and size.
type Paid struct {
	Tokens int64 // of all classes, as the provider reported
	Pieces []Piece
}

// Piece is a part of a prompt. It holds no content.
type Piece struct {
	Hash  uint64
	Bytes int64 // and what the provider adds to it unseen
	Loose bool  // counted in some turns and not in others
	Media bool  // it may hold more tokens than bytes
}

// Believable tells whether so many tokens can be all of a request's text.
func Believable(c Call, tokens int64) bool {
	return tokens > 0 && textBytes(c) <= tokens*sparseBytes
}

// Sparsest is the fewest tokens that a request can have.
func Sparsest(c Call) int64 { return max(textBytes(c)/sparseBytes, 1) }

// Tokenized bounds a prompt by its text's tokens in the model's vocabulary: a
// tenth more, what the provider adds unseen, and what the pictures may be. Of text
// that a vocabulary has in tokens of more than four bytes, it counts on four.
func Tokenized(c Call, m Model, text int64) int64 {
	text = max(text, textBytes(c)/4)
	return text + text/10 + hidden(c, m) + mediaOf(c, m)
}

// Bound bounds a prompt by the earlier one: what that was counted as, the bytes
// of each piece that it did not have, and an allowance a seam. What it had and
// this one has not stays in the bound. media is what all pictures and sounds of
// the prompt can be, for those that are new; -1 where that is not known.
func (p Paid) Bound(pieces []Piece, media int64) (tokens int64, ok bool) {
	had := make(map[uint64]int, len(p.Pieces))
	for _, b := range p.Pieces {
		had[b.Hash]++
	}
	tokens = p.Tokens
	fresh, loose, pictures := false, int64(0), false
	for _, b := range pieces {
		if had[b.Hash] > 0 {
			had[b.Hash]--
			fresh = false
			if b.Loose {
				loose += b.Bytes
			}
			continue
		}
		tokens += b.Bytes
		pictures = pictures || b.Media
		if !fresh {
			tokens += seamTokens
		}
		fresh = true
	}
	gone, shorter := false, false
	for _, b := range p.Pieces {
		if had[b.Hash] > 0 {
			had[b.Hash]--
			if !gone {
				tokens += seamTokens
			}
			gone, shorter = true, true
			continue
		}
		gone = false
	}
	// A thought that was left out of the count then may be in it now.
	if shorter {
		tokens += loose
	}
	if pictures && media < 0 {
		return 0, false
	}
	if pictures {
		tokens += media
	}
	return tokens, true
}

// mediaOf bounds all pictures, sounds and files of a call.
func mediaOf(c Call, m Model) (tokens int64) {
	for _, i := range c.Images {
		tokens += imageTokens(i, c.Wire, m)
	}
	for _, parts := range [][]Media{c.Audio, c.Files} {
		for _, part := range parts {
			tokens += mediaTokens(part, m)
		}
	}
	return tokens
}

// MediaTokens is that bound; known is false where one of them can be anything.
func MediaTokens(c Call, m Model) (tokens int64, known bool) {
	known = true
	for _, i := range c.Images {
		known = known && !i.Remote
	}
	for _, parts := range [][]Media{c.Audio, c.Files} {
		for _, part := range parts {
			known = known && !part.Remote && (isText(part) || part.Millis > 0)
		}
	}
	return mediaOf(c, m), known
}
