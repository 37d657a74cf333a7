"use strict";
// Sorting, filtering and drill-down. Without this script every table is there in full.
(() => {
  const words = JSON.parse(document.getElementById("words").textContent);
  const vi = document.documentElement.lang === "vi";
  const order = new Intl.Collator(vi ? "vi" : "en", { numeric: true });
  const fold = (text) => text.toLowerCase().replaceAll("đ", "d").normalize("NFD").replace(/[\u0300-\u036f]/g, "");
  const months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const number = (text) => {
    const found = text.match(/-?\d[\d.,]*/);
    return found ? parseFloat(vi ? found[0].replaceAll(".", "").replace(",", ".") : found[0].replaceAll(",", "")) : NaN;
  };
  const moment = (text) => {
    const part = vi ? text.match(/(\d+)\/(\d+)\/(\d+)(.*)/) : text.match(/(\d+) (\w+) (\d+)(.*)/);
    if (!part) return "";
    const month = vi ? part[2] : String(months.indexOf(part[2]) / 3 + 1).padStart(2, "0");
    return part[3] + month + part[1].padStart(2, "0") + part[4];
  };
  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const shown = (count) => count.toLocaleString(vi ? "vi" : "en");
  const tables = new Map();

  function prepare(table) {
    const body = table.tBodies[0], all = [...body.rows], limit = Number(table.dataset.limit);
    const state = { text: "", exact: [], open: false };
    const tools = element("div", "");
    tools.className = "tools";
    const label = element("label", words.filter + " ");
    const input = Object.assign(document.createElement("input"), { type: "search", autocomplete: "off" });
    const status = element("span", ""), more = element("button", ""), clear = element("button", "");
    status.setAttribute("role", "status");
    more.type = clear.type = "button";
    label.append(input);
    if (all.length > limit || table.id === "t-orders") tools.append(label, clear, status, more);
    table.closest(".wide").before(tools);

    function show() {
      let found = 0;
      for (const row of body.rows) {
        const fits = (!state.text || fold(row.textContent).includes(state.text))
          && state.exact.every(([place, text]) => row.cells[place].textContent === text);
        found += fits;
        row.hidden = !fits;
        row.classList.toggle("folded", fits && !state.open && found > limit);  // paper shows these
      }
      status.textContent = words.rows.replace("{found}", shown(found)).replace("{all}", shown(all.length));
      more.hidden = found <= limit;
      more.textContent = state.open ? words.fewer : words.more;
      clear.hidden = !state.exact.length;
      clear.textContent = "✕ " + state.exact.map(([, text]) => text).join(" · ");
    }
    input.addEventListener("input", () => { state.text = fold(input.value.trim()); show(); });
    more.addEventListener("click", () => { state.open = !state.open; show(); });
    clear.addEventListener("click", () => { state.exact = []; show(); });
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = element("button", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const kind = head.dataset.k, text = (row) => row.cells[place].textContent;
        const key = kind === "n" ? (row) => number(text(row)) : kind === "t" ? (row) => moment(text(row)) : text;
        const keyed = [...body.rows].map((row) => [key(row), row]);
        const compare = kind === "n" ? (a, b) => (isNaN(a[0]) - isNaN(b[0])) || a[0] - b[0] || 0
          : (a, b) => order.compare(a[0], b[0]);
        keyed.sort(up ? compare : (a, b) => compare(b, a));
        body.append(...keyed.map(([, row]) => row));
        show();
      });
    });
    show();
    tables.set(table.id, {
      find(exact) {
        input.value = state.text = "";
        state.exact = exact;
        show();
        table.closest("section").scrollIntoView();
        clear.focus({ preventScroll: true });
      },
      places: [...table.tHead.rows[0].cells].map((head) => head.dataset.c),
    });
  }

  document.querySelectorAll("table.data").forEach(prepare);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-find]"), orders = tables.get("t-orders");
    if (!link || !orders) return;
    event.preventDefault();
    const cells = [...link.closest("tr").cells], heads = [...link.closest("table").tHead.rows[0].cells];
    orders.find(heads.flatMap((head, place) => {
      const at = "f" in head.dataset ? orders.places.indexOf(head.dataset.c) : -1;
      return at < 0 ? [] : [[at, cells[place].textContent]];
    }));
  });
})();
