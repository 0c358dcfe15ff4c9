// What a page can do beyond being read: other colours, tables below charts, and staying fresh without flicker.
(() => {
  const root = document.documentElement;
  const NAMES = { system: "Colours: as the system", light: "Colours: light", dark: "Colours: dark" };
  const SIGNS = { system: "◐", light: "○", dark: "●" };
  const NEXT = { system: "light", light: "dark", dark: "system" };
  const charts = () => window.plannerCharts;

  // ---- colours
  const theme = document.querySelector("[data-theme-button]");
  const chosen = () => root.dataset.theme || "system";
  function name() {
    theme.setAttribute("aria-label", NAMES[chosen()]);
    theme.title = NAMES[chosen()];
    theme.textContent = SIGNS[chosen()];
  }
  if (theme) {
    name();
    theme.addEventListener("click", () => {
      const next = NEXT[chosen()];
      if (next === "system") delete root.dataset.theme;
      else root.dataset.theme = next;
      try {
        localStorage.setItem("planner-theme", next);
      } catch {
        // it holds for this page, then
      }
      name();
      charts()?.all();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts()?.all());

  // ---- tables below charts
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-table-button]");
    if (!button) return;
    const data = document.getElementById(button.getAttribute("aria-controls"));
    const open = data.classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  });

  // ---- the page that is shown stands in sight, where the bar is narrower than all of them
  const tabs = document.querySelector(".tabs");
  const here = tabs?.querySelector("[aria-current]");
  if (here) tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - here.offsetWidth) / 2;

  // ---- a period and days: what was chosen last counts
  document.addEventListener("change", (event) => {
    const form = event.target.closest("[data-days]");
    if (!form) return;
    const [period, from, to] = ["period", "from", "to"].map((name) => form.elements[name]);
    if (event.target === period && period.value) from.value = to.value = "";
    if (event.target === from || event.target === to) period.value = from.value || to.value ? "" : "this-month";
  });

  // ---- filters that were left empty need not stand in the address
  document.addEventListener("submit", (event) => {
    if (!event.target.matches(".filters")) return;
    const empty = [...event.target.querySelectorAll("input, select")].filter((each) => !each.disabled && !each.value);
    for (const each of empty) each.disabled = true;
    setTimeout(() => {
      for (const each of empty) each.disabled = false;
    });
  });

  // ---- staying fresh
  const main = document.querySelector("main[data-refresh]");
  if (!main) return;
  const every = Number(main.dataset.refresh) * 1000;
  const banner = document.getElementById("stale");
  const SELECTABLE = "select, input, textarea";

  function replace(old, fresh) {
    if (old.innerHTML === fresh.innerHTML) return;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    if (focused?.matches(SELECTABLE)) return; // somebody is choosing: it comes with the next look
    const again = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.href && `a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
    const places = [...old.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
    old.innerHTML = fresh.innerHTML;
    for (const [place, each] of [...old.querySelectorAll(".scroll")].entries()) [each.scrollLeft, each.scrollTop] = places[place] ?? [0, 0];
    if (again) old.querySelector(again)?.focus({ preventScroll: true });
  }

  function take(page) {
    const ids = (from) => [...from.querySelectorAll("[data-live], [data-chart]")].map((each) => each.id).join();
    const fresh = page.querySelector("main");
    if (!fresh || ids(main) !== ids(fresh)) {
      location.reload(); // another page than this: parts have come or gone
      return;
    }
    for (const part of main.querySelectorAll("[data-live]")) replace(part, page.getElementById(part.id));
    for (const figure of main.querySelectorAll("[data-chart]")) {
      const other = page.getElementById(figure.id);
      const [old, now] = [figure, other].map((each) => each.querySelector("[data-data]"));
      if (old.innerHTML === now.innerHTML) continue;
      for (const attribute of ["data-series", "data-dashed", "data-band"]) {
        if (other.hasAttribute(attribute)) figure.setAttribute(attribute, other.getAttribute(attribute));
      }
      replace(old, now);
      figure.querySelector("[data-legend]").innerHTML = other.querySelector("[data-legend]").innerHTML;
      charts()?.draw(figure);
    }
  }

  async function look() {
    if (document.hidden) return;
    let why = "the planner does not answer";
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (answer.redirected) {
        location.reload();
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok) {
        why = `the planner says: ${page.querySelector("h1")?.textContent ?? answer.status}`; // its own words, where it has any
        throw new Error(why);
      }
      take(page);
      banner.hidden = true;
    } catch {
      const since = document.querySelector("[data-as-of]")?.textContent ?? "a while ago";
      banner.textContent = `Not refreshed since ${since}: ${why}. It is tried again.`;
      banner.hidden = false;
    }
  }

  let timer = setInterval(look, every);
  document.addEventListener("visibilitychange", () => {
    clearInterval(timer);
    if (document.hidden) return;
    look();
    timer = setInterval(look, every);
  });
  window.plannerLook = look;
})();
