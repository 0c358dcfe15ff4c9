// Runs before the page is painted: colours as they were chosen here last, and a mark for the styles that scripts run.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const chosen = localStorage.getItem("planner-theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // a browser that keeps nothing follows the system
  }
})();
