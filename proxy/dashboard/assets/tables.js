// Tables that sort and are saved as CSV, and times in the reader's own zone.
// Without this script the pages show the same, in the server's order and in UTC.
"use strict";
(() => {
  const order = new Map(); // of tables by their place: column and direction
  let local = false;
  try { local = localStorage.getItem("aex-zone") === "local"; } catch { /* not allowed: UTC */ }

  const two = (n) => String(n).padStart(2, "0");
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const format = (form, d, at) => {
    const f = at ? "get" : "getUTC";
    const clock = `${two(d[f + "Hours"]())}:${two(d[f + "Minutes"]())}:${two(d[f + "Seconds"]())}`;
    if (form === "time") return clock;
    if (form === "clock") return `${months[d[f + "Month"]()]} ${d[f + "Date"]()} ${clock}`;
    return `${d[f + "FullYear"]()}-${two(d[f + "Month"]() + 1)}-${two(d[f + "Date"]())} ${clock}`;
  };
  const times = (root) => {
    for (const t of root.querySelectorAll("time[data-form]")) t.textContent = format(t.dataset.form, new Date(t.dateTime), local);
  };

  const cells = (row) => [...row.children];
  const value = (row, i) => {
    const cell = cells(row)[i];
    if (!cell) return "";
    if ("value" in cell.dataset) return Number(cell.dataset.value);
    const text = cell.textContent.trim();
    if (!cell.classList.contains("num")) return text.toLowerCase();
    const n = parseFloat(text.replace(/[^0-9.eE+-]/g, ""));
    if (Number.isNaN(n)) return -Infinity;
    return / s$/.test(text) && !/ms$/.test(text) ? n * 1000 : / min$/.test(text) ? n * 60000 : n;
  };
  const sort = (table, i, down) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((r) => [value(r, i), r]);
    rows.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (down ? -1 : 1));
    body.append(...rows.map((r) => r[1]));
    cells(table.tHead.rows[0]).forEach((th, at) => { if (at === i) th.setAttribute("aria-sort", down ? "descending" : "ascending"); else th.removeAttribute("aria-sort"); });
  };
  const place = (table, root) => [...root.querySelectorAll("table.sortable")].indexOf(table);

  // prepare makes a page, or one that was read anew, what the reader chose.
  const prepare = (root) => {
    times(root);
    const zone = root.getElementById("zone"), text = root.getElementById("zone-text");
    if (zone) { zone.hidden = false; zone.textContent = local ? "Local time" : "UTC"; zone.setAttribute("aria-label", local ? "Times are local; show them in UTC" : "Times are UTC; show them in local time"); }
    if (text) text.textContent = local ? "times are local" : "times are UTC";
    for (const table of root.querySelectorAll("table.sortable")) {
      for (const th of table.tHead.rows[0].cells) {
        if (th.querySelector("button, .sr") || !th.textContent.trim()) continue;
        const button = root.createElement("button");
        button.type = "button"; button.className = "sort";
        button.append(...th.childNodes);
        th.append(button);
      }
      if (table.dataset.csv && !table.caption.querySelector("button")) {
        const save = root.createElement("button");
        save.type = "button"; save.className = "csv"; save.textContent = "CSV"; save.setAttribute("aria-label", `Save the table of ${table.dataset.csv} as CSV`);
        const host = table.closest(".scroll") || table;
        if (!(host.previousElementSibling && host.previousElementSibling.classList.contains("savebar"))) {
          const bar = root.createElement("div"); bar.className = "savebar"; bar.append(save); host.before(bar);
        }
      }
      const chosen = order.get(place(table, root));
      if (chosen) sort(table, chosen.i, chosen.down);
    }
  };
  window.aexPrepare = prepare;

  const csv = (table) => {
    const quote = (s) => { s = s.trim().replace(/\s+/g, " "); if (/^[=+@\t\r-]/.test(s) && Number.isNaN(Number(s))) s = "'" + s; return /[",\n]/.test(s) ? '"' + s.replaceAll('"', '""') + '"' : s; };
    const rows = [...table.tHead.rows, ...table.tBodies[0].rows].map((r) => cells(r).filter((c) => !c.classList.contains("meter") && !c.classList.contains("line")).map((c) => {
      const t = c.querySelector("time[datetime]");
      return quote(t && c.tagName === "TD" ? t.dateTime : (c.querySelector("summary") || c).textContent);
    }).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([rows.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = `aex-${table.dataset.csv}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  document.addEventListener("click", (e) => {
    const button = e.target.closest("button");
    if (!button) return;
    if (button.id === "zone") {
      local = !local;
      try { localStorage.setItem("aex-zone", local ? "local" : "utc"); } catch { /* it holds for this page */ }
      prepare(document);
    } else if (button.classList.contains("sort")) {
      const th = button.closest("th"), table = th.closest("table"), i = th.cellIndex;
      const down = th.hasAttribute("aria-sort") ? th.getAttribute("aria-sort") === "ascending" : th.classList.contains("num");
      order.set(place(table, document), { i, down });
      sort(table, i, down);
    } else if (button.classList.contains("csv")) {
      csv(button.closest(".savebar").parentElement.querySelector(`table[data-csv]`));
    }
  });
  prepare(document);
})();
