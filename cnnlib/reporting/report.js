"use strict";

// Tables: a click on a column's head sorts by it, a second click the other way. The constant predictor stays last.
for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = [...head.parentNode.children].indexOf(head);
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.children) {
      if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const isNumber = button.dataset.kind === "number";
    const key = (row) => {
      const cell = row.cells[column];
      const text = cell.dataset.value ?? cell.textContent.trim();
      return isNumber ? (text === "" || text === "nan" ? NaN : Number(text)) : text;
    };
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (!isNumber) return up ? x.localeCompare(y) : y.localeCompare(x);
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y); // undefined comes last
      return up ? x - y : y - x;
    };
    const rows = [...body.rows].filter((row) => !row.classList.contains("constant")).sort(compare);
    body.prepend(...rows);
  });
}

// Curves: the legend hides and shows an experiment in every chart.
const legend = [...document.querySelectorAll(".legend [data-series]")];
function show(button, shown) {
  button.setAttribute("aria-pressed", String(shown));
  for (const series of document.querySelectorAll(`.series.s${button.dataset.series}`)) {
    series.classList.toggle("off", !shown);
  }
  // Many bands on one another are mud.
  const visible = legend.filter((other) => other.getAttribute("aria-pressed") === "true").length;
  document.querySelector(".charts").classList.toggle("crowded", visible > 6);
}
for (const button of legend) {
  button.addEventListener("click", () => show(button, button.getAttribute("aria-pressed") !== "true"));
}
const all = document.querySelector(".legend [data-all]");
all?.addEventListener("click", () => {
  const shown = all.dataset.all === "true";
  for (const button of legend) show(button, shown);
  all.dataset.all = String(!shown);
  all.textContent = shown ? "hide all" : "show all";
});

// Images: one at a time, or all. Without this script, and on paper, all are there.
const choices = [...document.querySelectorAll(".chooser button")];
function choose(wanted) {
  for (const button of choices) {
    button.setAttribute("aria-pressed", String(button.dataset.sample === wanted));
  }
  for (const sample of document.querySelectorAll(".sample")) {
    sample.classList.toggle("off", wanted !== "all" && sample.dataset.sample !== wanted);
  }
}
for (const button of choices) button.addEventListener("click", () => choose(button.dataset.sample));
if (choices.length > 1) choose(choices[0].dataset.sample);

// A click, or Enter, enlarges a picture.
const dialog = document.querySelector("dialog");
for (const picture of document.querySelectorAll(".tiles img")) {
  const enlarge = () => {
    dialog.querySelector("img").src = picture.src;
    dialog.querySelector("img").className = picture.className;
    dialog.querySelector("p").textContent = picture.alt;
    dialog.showModal();
  };
  picture.addEventListener("click", enlarge);
  picture.addEventListener("keydown", (event) => {
    if (event.key === "Enter") enlarge();
  });
}
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
