package dashboard

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// choice is one that a filter offers.
type choice struct{ Key, Text string }

// paging is a list that is searched, put in order and shown a page at a time.
type paging struct {
	Search, Sort string
	Sorts        []choice
	In           string // the group whose agents are listed; "": all
	Found, All   int
	Page, Pages  int // from 1
	from, to     int // places of the rows among those found
}

// newPaging reads the address; what it does not say, or says wrong, is the
// default.
func newPaging(r *http.Request, sorts []choice, all int) paging {
	q := r.URL.Query()
	p := paging{Search: strings.TrimSpace(q.Get("q")), In: q.Get("group"), Sort: sorts[0].Key, Sorts: sorts, All: all}
	for _, o := range sorts {
		if o.Key == q.Get("sort") {
			p.Sort = o.Key
		}
	}
	p.Page, _ = strconv.Atoi(q.Get("page")) // what is no number is the first
	return p
}

// cut picks the rows of the page that is asked for.
func (p *paging) cut(found, most int) (first, last int) {
	p.Found, p.Pages = found, max(1, (found+most-1)/most)
	p.Page = min(max(1, p.Page), p.Pages)
	p.from, p.to = min(found, (p.Page-1)*most), min(found, p.Page*most)
	return p.from, p.to
}

// From and To are the places of the rows among those found.
func (p paging) From() int { return p.from + 1 }
func (p paging) To() int   { return p.to }

// Next and Before are the pages beside this one; 0: there is none.
func (p paging) Next() int {
	if p.Page < p.Pages {
		return p.Page + 1
	}
	return 0
}
func (p paging) Before() int { return p.Page - 1 }

// Query is the page's address with some of it changed.
func (p paging) Query(change ...string) template.URL {
	q := url.Values{"sort": {p.Sort}}
	if p.Search != "" {
		q.Set("q", p.Search)
	}
	if p.In != "" {
		q.Set("group", p.In)
	}
	for i := 0; i+1 < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return template.URL(q.Encode()) //nolint:gosec // encoded
}
