// Draws each chart from the table below it: what is drawn is what the table says, and nothing else.
(() => {
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const drawn = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const seriesColour = (name, place) => colour(name === "other" ? "--c-other" : `--c${(place % 8) + 1}`);
  const list = (text) => (text ? text.split(",") : []);

  const day = (text) => {
    const parts = /^\d{4}-(\d\d)-(\d\d)$/.exec(text);
    return parts ? `${Number(parts[2])} ${MONTHS[Number(parts[1]) - 1]}` : text;
  };

  // Days that the table leaves out, so that a line is as long as the time that it tells of.
  function unbroken(days) {
    if (days.length < 2 || !days.every((text) => /^\d{4}-\d\d-\d\d$/.test(text))) return days;
    const all = [];
    const last = Date.parse(days[days.length - 1]);
    for (let at = Date.parse(days[0]); at <= last; at += 86400000) all.push(new Date(at).toISOString().slice(0, 10));
    return all;
  }

  function read(figure) {
    const table = figure.querySelector("[data-data] table");
    const heads = [...table.querySelectorAll("thead th")];
    const places = new Map(heads.map((head, place) => [head.dataset.column, place]));
    const rows = [...table.querySelectorAll("tbody tr")].filter((row) => row.cells.length === heads.length);
    const told = rows.map((row) => row.cells[places.get(figure.dataset.along)].dataset.v);
    const along = unbroken(told);
    const rowOf = new Map(told.map((text, place) => [text, rows[place]]));
    const column = (name) =>
      along.map((text) => {
        const value = rowOf.get(text)?.cells[places.get(name)].dataset.v;
        return value === undefined || value === "" ? null : Number(value);
      });
    const head = (name) => heads[places.get(name)].textContent.trim();
    const cell = rows.length ? rows[0].cells[places.get(list(figure.dataset.series)[0])] : null;
    const text = cell === null ? "" : cell.textContent.trim();
    return { along, column, head, dollars: text.includes("$"), unit: text.endsWith(" h") ? " h" : "" };
  }

  // `least` is the smallest difference that must be seen.
  function money(value, least) {
    const digits = least >= 1 ? 0 : least >= 0.01 ? 2 : 4;
    return value.toLocaleString("en-US", {
      style: "currency", currency: "USD", minimumFractionDigits: digits, maximumFractionDigits: digits,
    });
  }

  function datasets(figure, table) {
    const names = list(figure.dataset.series);
    const dashed = new Set(list(figure.dataset.dashed));
    const surface = colour("--surface");
    const line = figure.dataset.form === "line";
    const sets = names.map((name, place) => ({
      label: table.head(name),
      data: table.column(name),
      borderColor: line ? seriesColour(name, place) : surface,
      backgroundColor: seriesColour(name, place),
      borderWidth: line ? 2 : 0.5,
      borderDash: dashed.has(name) ? [5, 4] : [],
      pointRadius: 0,
      pointHitRadius: 8,
      spanGaps: dashed.has(name),
      maxBarThickness: 48,
      order: 0,
    }));
    const [low, high] = list(figure.dataset.band);
    if (low && high) {
      const place = names.findIndex((name) => dashed.has(name));
      const shade = `${seriesColour(names[place], place)}2e`;
      const edge = { borderWidth: 0, pointRadius: 0, pointHitRadius: 0, spanGaps: true, order: 1, backgroundColor: shade };
      sets.push({ ...edge, label: table.head(low), data: table.column(low), fill: false });
      sets.push({ ...edge, label: table.head(high), data: table.column(high), fill: "-1" });
    }
    return sets;
  }

  function options(figure, table) {
    const stacked = figure.hasAttribute("data-stacked");
    const muted = colour("--muted");
    const tick = (value, _, ticks) => {
      const step = ticks.length > 1 ? Math.abs(ticks[1].value - ticks[0].value) : 1;
      return table.dollars ? money(value, step) : `${value.toLocaleString("en-US")}${table.unit}`;
    };
    const exact = (value) => (table.dollars ? money(value, Math.abs(value) >= 1 ? 0.01 : 0.0001) : `${value.toLocaleString("en-US")}${table.unit}`);
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: false },
        tooltip: {
          itemSort: (a, b) => b.parsed.y - a.parsed.y,
          filter: (item) => item.parsed.y !== null && item.parsed.y !== 0,
          callbacks: {
            title: (items) => (items.length ? table.along[items[0].dataIndex] : ""),
            label: (item) => ` ${item.dataset.label}: ${exact(item.parsed.y)}`,
          },
        },
      },
      scales: {
        x: {
          stacked,
          grid: { display: false },
          border: { color: colour("--line") },
          ticks: { color: muted, maxRotation: 0, autoSkipPadding: 14, callback: (_, place) => day(table.along[place]) },
        },
        y: {
          stacked,
          beginAtZero: true,
          grid: { color: colour("--line") },
          border: { display: false },
          ticks: { color: muted, maxTicksLimit: 6, callback: tick },
        },
      },
    };
  }

  function draw(figure) {
    const canvas = figure.querySelector("canvas");
    const table = read(figure);
    const data = { labels: table.along, datasets: datasets(figure, table) };
    const known = drawn.get(figure);
    if (known) {
      known.data = data;
      known.options = options(figure, table);
      known.update("none");
      return;
    }
    const font = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.family = font;
    drawn.set(figure, new Chart(canvas, { type: figure.dataset.form, data, options: options(figure, table) }));
  }

  function all() {
    for (const figure of drawn.keys()) {
      if (!figure.isConnected) {
        drawn.get(figure).destroy();
        drawn.delete(figure);
      }
    }
    for (const figure of document.querySelectorAll("[data-chart]")) draw(figure);
  }

  window.plannerCharts = { draw, all };
  all();
})();
