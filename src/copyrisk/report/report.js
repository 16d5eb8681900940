"use strict";
// Without this script the page is complete too: everything is shown, nothing can be sorted.
const find = (selector, from = document) => from.querySelector(selector);
const findAll = (selector, from = document) => [...from.querySelectorAll(selector)];
const counted = (number) => number.toLocaleString("en");

function tooltips() {
  const tip = find(".tip");
  if (!tip) return;
  const plot = tip.parentElement;
  let leaving;
  const hide = () => { tip.hidden = true; };
  // The pointer may travel onto the text, for example to select it.
  const hideSoon = () => { leaving = setTimeout(hide, 200); };
  const show = (point) => {
    clearTimeout(leaving);
    const head = document.createElement("strong");
    head.textContent = point.dataset.head;
    tip.replaceChildren(head, point.dataset.lines);
    tip.hidden = false;
    const frame = plot.getBoundingClientRect();
    const mark = find(".mark", point).getBoundingClientRect();
    const middle = mark.left + mark.width / 2 - frame.left - tip.offsetWidth / 2;
    const above = mark.top - frame.top - tip.offsetHeight - 14;
    tip.style.left = `${Math.max(0, Math.min(middle, frame.width - tip.offsetWidth))}px`;
    tip.style.top = `${mark.top - tip.offsetHeight - 14 < 0 ? mark.bottom - frame.top + 14 : above}px`;
  };
  for (const point of findAll(".point", plot)) {
    point.addEventListener("mouseenter", () => show(point));
    point.addEventListener("focus", () => show(point));
    point.addEventListener("mouseleave", hideSoon);
    point.addEventListener("blur", hide);
  }
  tip.addEventListener("mouseenter", () => clearTimeout(leaving));
  tip.addEventListener("mouseleave", hide);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}

function gallery() {
  const more = find("#all-pairs");
  if (!more) return;
  const later = [...find(".gallery").children].slice(Number(find(".gallery").dataset.first));
  for (const pair of later) pair.hidden = true;
  more.addEventListener("click", () => {
    for (const pair of later) pair.hidden = false;
    more.parentElement.hidden = true;
    // The button is gone; without this the keyboard would start again at the top of the page.
    later[0].tabIndex = -1;
    later[0].focus();
  });
}

function enlarging() {
  const dialog = find("#large");
  const image = find("img", dialog);
  const choice = find(".choice", dialog);
  const title = find("#large-title");
  const show = (button) => {
    const small = find("img", button);
    image.src = small.src;
    image.alt = small.alt;
    image.className = small.className;
    title.textContent = find("h3", button.closest(".pair")).textContent;
    for (const each of choice.children) each.ariaPressed = String(each.textContent === button.dataset.kind);
  };
  const open = (button) => {
    choice.replaceChildren(...findAll(".picture button", button.closest(".pair")).map((other) => {
      const chooser = document.createElement("button");
      chooser.type = "button";
      chooser.textContent = other.dataset.kind;
      chooser.addEventListener("click", () => show(other));
      return chooser;
    }));
    show(button);
    dialog.showModal();
  };
  for (const button of findAll(".picture button")) button.addEventListener("click", () => open(button));
  find("#close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const choosers = [...choice.children];
    const now = choosers.findIndex((each) => each.ariaPressed === "true");
    const next = choosers[(now + step + choosers.length) % choosers.length];
    next.focus();
    next.click();
  });
}

// "at most 3 %" stands for none seen, so it sorts below every rate that was seen; "–" sorts last either way.
function valueOf(text, kind) {
  if (kind === "text") return text.trim();
  const digits = text.replaceAll(",", "").match(/^\s*(-?[\d.]+(e[-+]?\d+)?)/i);
  if (digits) return Number(digits[1]);
  return text.trim().startsWith("at most") ? 0 : null;
}

function promptTable() {
  const table = find("#prompt-table");
  if (!table) return;
  const body = table.tBodies[0];
  const heads = findAll("th[data-kind]", table);
  const rows = [...body.rows].map((element) => ({
    element,
    role: element.cells[1].textContent,
    text: `${element.cells[0].textContent}\n${element.cells[element.cells.length - 1].textContent}`.toLowerCase(),
  }));
  const language = new Intl.Collator("en", { numeric: true });
  const words = find("#find");
  const role = find("#role");
  const more = find("#more-prompts");
  let limit = Number(table.dataset.first);

  const show = () => {
    const wanted = words.value.toLowerCase().trim();
    const matching = rows.filter((row) => (!role.value || row.role === role.value) && row.text.includes(wanted));
    const shown = matching.slice(0, limit);
    body.replaceChildren(...shown.map((row) => row.element));
    find("#found").textContent = matching.length === rows.length
      ? `${counted(rows.length)} prompts`
      : `${counted(matching.length)} of ${counted(rows.length)} prompts match`;
    more.hidden = shown.length === matching.length;
    find("span", more).textContent = `${counted(shown.length)} of ${counted(matching.length)} are shown.`;
    find("button", more).textContent = `Show all ${counted(matching.length)}`;
    table.parentElement.classList.toggle("tall", shown.length > Number(table.dataset.first));
  };

  const sort = (head) => {
    const { kind } = head.dataset;
    const first = kind === "number" ? "descending" : "ascending";
    const other = kind === "number" ? "ascending" : "descending";
    const order = head.ariaSort === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    for (const each of heads) each.ariaSort = each === head ? order : "none";
    for (const row of rows) row.value = valueOf(row.element.cells[head.cellIndex].textContent, kind);
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      return sign * (kind === "text" ? language.compare(a.value, b.value) : a.value - b.value);
    });
    show();
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head));
    head.replaceChildren(button);
    head.ariaSort = "none";
  }
  words.addEventListener("input", show);
  role.addEventListener("change", show);
  find("button", more).addEventListener("click", () => {
    limit = Infinity;
    show();
    table.parentElement.focus();
  });
  show();
}

function copying() {
  find("#copy").addEventListener("click", async () => {
    const command = find("#command");
    try {
      await navigator.clipboard.writeText(command.textContent);
      find("#copied").textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(command);
      find("#copied").textContent = "Selected: press Ctrl+C or ⌘C.";
    }
  });
}

function saving() {
  find("#save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([find("#facts").textContent], { type: "application/json" }));
    link.download = "copyrisk-facts.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

function printing() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = findAll("details:not([open])");
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
}

for (const element of findAll("[data-js]")) element.hidden = false;
for (const part of [tooltips, gallery, enlarging, promptTable, copying, saving, printing]) part();
