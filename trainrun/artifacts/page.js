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
