"use strict";
(() => {
  const form = document.getElementById("filters");
  const opened = (open) => {
    for (const article of document.querySelectorAll("article:not([hidden])")) article.querySelector("details").open = open;
  };
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const article = target.closest("article");
    if (article && article.hidden) form.reset();
    for (let box = target.closest("details") || target.querySelector(":scope > details"); box;
      box = box.parentElement.closest("details")) box.open = true;
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    for (const box of folded) box.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const box of folded) box.open = false;
  });
  if (form) {
    const words = document.getElementById("words");
    const choices = [...form.querySelectorAll("select")];
    const rows = [...document.querySelectorAll("[data-f]")].map((element) => ({
      element,
      tags: new Set(element.dataset.f.split(" ")),
      kinds: new Set(element.dataset.f.split(" ").map((tag) => tag[0])),
      article: element.tagName === "ARTICLE",
    }));
    const fits = (row, wanted) => row.tags.has(wanted) || (!row.article && !row.kinds.has(wanted[0]));
    const textOf = (row) => {
      const parts = row.article ? [...row.element.querySelectorAll("h3, .object h4")] : [row.element];
      return parts.map((part) => part.textContent).join("\n").toLowerCase();
    };
    const filter = () => {
      const wanted = choices.map((choice) => choice.value).filter(Boolean);
      const text = words.value.trim().toLowerCase();
      for (const row of rows) {
        const named = !text || (row.text ??= textOf(row)).includes(text);
        row.element.hidden = !(named && wanted.every((value) => fits(row, value)));
      }
      const say = (number) => number.toLocaleString("en");
      for (const label of document.querySelectorAll("[data-of]")) {
        const own = rows.filter((row) => row.element.closest("section").id === label.dataset.of);
        const left = own.filter((row) => !row.element.hidden).length;
        label.textContent = left === own.length ? say(left) : `${say(left)} of ${say(own.length)}`;
      }
      const articles = rows.filter((row) => row.article);
      const left = articles.filter((row) => !row.element.hidden).length;
      document.getElementById("none").hidden = left > 0;
      document.getElementById("shown").textContent = `${say(left)} of ${say(articles.length)} workloads shown`;
    };
    form.parentElement.hidden = false;
    form.parentElement.open = !matchMedia("(max-width: 60rem)").matches;
    form.addEventListener("input", filter);
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("submit", (event) => event.preventDefault());
    document.getElementById("open").addEventListener("click", () => opened(true));
    document.getElementById("close").addEventListener("click", () => opened(false));
    filter();
  }
  reveal();
})();
