// What the pages do more where scripts run: a draft is kept while somebody writes, and a button prints. Everything works without it.
"use strict";

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

const form = document.querySelector("form[data-draft]");
if (form) {
  const told = () => new URLSearchParams(new FormData(form)).toString();
  let kept = told();
  let sending = false;
  const keep = async () => {
    const now = told();
    if (now === kept || sending) return;
    sending = true;
    try {
      const answer = await fetch(form.dataset.draft, { method: "POST", body: new URLSearchParams(now), redirect: "manual" });
      if (answer.ok) kept = now;
    } catch {
      // The next try comes by itself; what is on the page stays there.
    } finally {
      sending = false;
    }
  };
  setInterval(keep, 10000);
  form.addEventListener("submit", () => { kept = told(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep(); });
}
