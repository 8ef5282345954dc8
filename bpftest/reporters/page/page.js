"use strict";

// The filter: outcomes, words and a tag, which also stand behind the "#" of the address, so that a view can be sent.

const form = document.querySelector(".filter");
const found = form.querySelector("output");
const suites = [...document.querySelectorAll(".suite")].map((element) => ({
  element,
  cases: [...element.querySelectorAll(".case")].map((one) => ({
    element: one,
    text: `${element.dataset.path}::${one.querySelector(".name").textContent} ${one.querySelector(".why").textContent}`
      .toLowerCase(),
    tags: one.dataset.tags ? one.dataset.tags.split(" ") : [],
  })),
}));
const total = suites.reduce((sum, suite) => sum + suite.cases.length, 0);

function wanted() {
  const boxes = [...form.querySelectorAll("[name=outcome]")];
  return {
    outcomes: new Set(boxes.filter((box) => box.checked).map((box) => box.value)),
    all: boxes.every((box) => box.checked),
    words: form.elements.text.value.toLowerCase().split(" ").filter(Boolean),
    tag: form.elements.tag.value,
  };
}

function apply() {
  const { outcomes, all, words, tag } = wanted();
  const filtered = !all || words.length > 0 || tag !== "";
  let shown = 0;
  for (const suite of suites) {
    let here = 0;
    for (const one of suite.cases) {
      const fits = outcomes.has(one.element.dataset.outcome)
        && (tag === "" || one.tags.includes(tag))
        && words.every((word) => one.text.includes(word));
      one.element.classList.toggle("away", !fits);
      here += fits;
    }
    suite.element.classList.toggle("away", filtered && here === 0);
    if (filtered && here > 0) suite.element.open = true;
    shown += here;
  }
  for (const list of document.querySelectorAll(".listed")) list.classList.toggle("away", filtered);
  found.textContent = filtered ? `${shown} of ${total} cases` : "";
}

function remember() {
  const { outcomes, all, tag } = wanted();
  const said = new URLSearchParams();
  if (!all) said.set("outcome", [...outcomes].join(","));
  if (form.elements.text.value) said.set("text", form.elements.text.value);
  if (tag) said.set("tag", tag);
  history.replaceState(null, "", `#${said}`);
}

function recall() {
  if (!location.hash.includes("=")) return reveal();
  const said = new URLSearchParams(location.hash.slice(1));
  if (said.has("outcome")) {
    const outcomes = said.get("outcome").split(",");
    for (const box of form.querySelectorAll("[name=outcome]")) box.checked = outcomes.includes(box.value);
  }
  form.elements.text.value = said.get("text") ?? "";
  form.elements.tag.value = said.get("tag") ?? "";
  apply();
}

// A link to a case opens what it stands in.
function reveal() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (let around = target; around; around = around.parentElement) if (around.tagName === "DETAILS") around.open = true;
  if (target) target.scrollIntoView();
}

form.hidden = total === 0;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => { apply(); remember(); });
addEventListener("hashchange", recall);
if (total <= 50) for (const suite of suites) suite.element.open = true;
recall();
