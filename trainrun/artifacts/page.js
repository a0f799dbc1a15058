const tip = document.getElementById("tip");
for (const svg of document.querySelectorAll("svg.chart")) {
  const lines = [...svg.querySelectorAll("polyline[data-name]")];
  if (!lines.length) continue;
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
  svg.addEventListener("pointermove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const near = lines.map((line) => {
      const points = [...line.points];
      let i = 0;
      points.forEach((p, k) => { if (Math.abs(p.x - at.x) < Math.abs(points[i].x - at.x)) i = k; });
      return { far: Math.abs(points[i].y - at.y), x: line.dataset.x.split(" ")[i], y: line.dataset.y.split(" ")[i], name: line.dataset.name };
    });
    const shown = near.length > 8 ? near.sort((a, b) => a.far - b.far).slice(0, 3) : near;
    tip.textContent = shown.map((s) => `${s.name}\n  ${s.x}: ${s.y}`).join("\n");
    tip.hidden = false;
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, event.clientY - tip.offsetHeight - 10)}px`;
  });
}

const theme = document.getElementById("theme"), root = document.documentElement;
theme.hidden = false;
theme.addEventListener("click", () => {
  const dark = root.style.colorScheme ? root.style.colorScheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.style.colorScheme = dark ? "light" : "dark";
});

// A click on a heading sorts the rows: numbers by their size, before texts; a second click reverses.
const figure = (text) => parseFloat(text.replace(/,/g, ""));
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  if (body.rows.length < 2) continue;
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const way = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      const rows = [...body.rows].sort((a, b) => {
        const [s, t] = [a, b].map((row) => row.cells[i].textContent), [x, y] = [s, t].map(figure);
        return isNaN(x) && isNaN(y) ? s.localeCompare(t) : isNaN(x) ? 1 : isNaN(y) ? -1 : x - y;
      });
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", way);
      body.append(...(way === "ascending" ? rows : rows.reverse()));
    });
  });
}
