package browser

import "github.com/chromedp/chromedp"

// What a hand does. The page is asked where a thing is and the mouse or the
// keys go there, because the ids by which the browser's protocol names nodes
// end whenever a page is replaced, and every action here replaces one.

// click presses the mouse on the element that a selector finds, and, where
// that finds many, on the one with this text.
func (b *tab) click(selector, text string) {
	b.Helper()
	var at []float64
	b.ask("a place to click: "+selector+" "+text, `(() => {
		const e = [...document.querySelectorAll(`+quoted(selector)+`)].find(e => `+quoted(text)+` === "" || e.textContent.trim() === `+quoted(text)+`);
		if (!e || !(`+settled+`)) return [];
		e.scrollIntoView({block: "center", behavior: "instant"});
		const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
		return e.contains(document.elementFromPoint(x, y)) ? [x, y] : [];
	})()`, &at, func() bool { return len(at) == 2 })
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// enter types into a field, in place of what is there.
func (b *tab) enter(selector, text string) {
	b.Helper()
	b.until("a field "+selector, settled+` && document.querySelector(`+quoted(selector)+`) !== null`)
	b.do(chromedp.Evaluate(`document.querySelector(`+quoted(selector)+`).select()`, nil), chromedp.KeyEvent(text))
	b.until(text+" in "+selector, `document.querySelector(`+quoted(selector)+`).value === `+quoted(text))
}

// choose takes one of a list's values.
func (b *tab) choose(selector, value string) {
	b.Helper()
	b.until(value+" in "+selector, settled+` && (() => {
		const e = document.querySelector(`+quoted(selector)+`);
		if (!e) return false;
		e.value = `+quoted(value)+`;
		e.dispatchEvent(new Event("change", {bubbles: true}));
		return e.value === `+quoted(value)+`;
	})()`)
}

// press goes from a page by a link to the confirmation, and confirms.
func (b *tab) press(link, button, amount string) {
	b.Helper()
	b.click("a", link)
	b.until("a confirmation", `[...document.querySelectorAll("main form button")].some(x => x.textContent === `+quoted(button)+`)`)
	if amount != "" {
		b.enter("#amount", amount)
	}
	b.click("main button", button)
}
