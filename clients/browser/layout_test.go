package browser

import "github.com/chromedp/chromedp"

// brokenWords lists the words that stand on two lines. Where a word may be
// broken (after a hyphen or a slash) its pieces are words; what nobody could
// keep whole, like a hash, is too long to count, and what no name is made of,
// like that of an enemy, does not.
const brokenWords = `(() => {
	const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		if (!n.parentElement.checkVisibility() || n.parentElement.closest("pre, svg, script, .sr, .hash")) continue;
		for (const m of n.data.matchAll(/[\w.,:;$%@()+…µ]{2,24}(?![^\s\u00ad\u200b/?-])/g)) {
			if (m.index > 0 && /[^\s\u00ad\u200b/?-]/.test(n.data[m.index - 1])) continue;
			range.setStart(n, m.index);
			range.setEnd(n, m.index + m[0].length);
			const tops = [...range.getClientRects()].filter(r => r.width > 0).map(r => r.top);
			if (tops.length && Math.max(...tops) - Math.min(...tops) > 5) found.push("broken by letter: " + m[0] + " in " + n.parentElement.outerHTML.slice(0, 120));
		}
	}
	return found;
})()`

// cutOff lists what is wider than its own box and not shown.
const cutOff = `[...document.querySelectorAll(".scroll, .card, .figure, td, th, .tag, button, .button")]
	.filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline" && !e.closest(".sr, .others"))
	.map(e => "cut off: " + (e.getAttribute("aria-label") || e.outerHTML.slice(0, 120)))`

const tooWide = `document.documentElement.scrollWidth <= innerWidth + 1 ? [] : [...document.querySelectorAll("body *")]
	.filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre")).map(e => "wider than the window: " + e.outerHTML.slice(0, 120))`

// layout finds what is wider than the window, cut off, or broken by letters.
func (b *tab) layout(where string) {
	b.Helper()
	var faults []string
	b.do(chromedp.Evaluate(`[].concat(`+cutOff+`, `+brokenWords+`, `+tooWide+`)`, &faults))
	for _, f := range faults[:min(len(faults), 6)] {
		b.Errorf("%s: %s", where, f)
	}
}
