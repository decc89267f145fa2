/** One diagram with both axes logarithmic: how something grows, as a slope. */
export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const size = { width: 400, height: 320, left: 62, right: 18, top: 40, bottom: 84 };
const colours = ["#0b5fa5", "#c2410c", "#15803d", "#7e22ce"];

/** Panels side by side, as SVG. Points that are not above zero have no place and are left out. */
export function drawPanels(panels: readonly Panel[]): string {
  const width = size.width * panels.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${size.height}" width="${width}" height="${size.height}" font-family="sans-serif" font-size="11" fill="#1f2937">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    ...panels.map(
      (panel, i) => `<g transform="translate(${i * size.width} 0)">\n${drawPanel(panel)}\n</g>`,
    ),
    "</svg>\n",
  ].join("\n");
}

function drawPanel({ title, xLabel, yLabel, series }: Panel): string {
  const shown = series.map(({ name, points }) => ({
    name,
    points: points.filter(([x, y]) => x > 0 && y > 0),
  }));
  const all = shown.flatMap(({ points }) => points);
  const x = createAxis(
    all.map(([value]) => value),
    [size.left, size.width - size.right],
  );
  const y = createAxis(
    all.map(([, value]) => value),
    [size.height - size.bottom, size.top],
  );
  const middle = (size.left + size.width - size.right) / 2;
  const baseline = size.height - size.bottom;
  return [
    text(title, {
      x: middle,
      y: 20,
      more: 'text-anchor="middle" font-weight="bold" font-size="13"',
    }),
    ...x.ticks.map(
      (value) =>
        line([x.at(value), size.top], [x.at(value), baseline], "#e5e7eb") +
        text(short(value), { x: x.at(value), y: baseline + 15, more: 'text-anchor="middle"' }),
    ),
    ...y.ticks.map(
      (value) =>
        line([size.left, y.at(value)], [size.width - size.right, y.at(value)], "#e5e7eb") +
        text(short(value), { x: size.left - 6, y: y.at(value) + 4, more: 'text-anchor="end"' }),
    ),
    text(xLabel, { x: middle, y: baseline + 32, more: 'text-anchor="middle"' }),
    text(yLabel, {
      x: 0,
      y: 0,
      more: `text-anchor="middle" transform="translate(14 ${(size.top + baseline) / 2}) rotate(-90)"`,
    }),
    ...shown.map(({ name, points }, i) =>
      drawSeries(
        name,
        points.map(([a, b]) => [x.at(a), y.at(b)] as const),
        i,
      ),
    ),
  ].join("\n");
}

function drawSeries(
  name: string,
  points: readonly (readonly [number, number])[],
  index: number,
): string {
  const colour = colours[index % colours.length] ?? "";
  const path = points.map(([x, y]) => `${fixed(x)},${fixed(y)}`).join(" ");
  const dots = points.map(
    ([x, y]) => `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="3" fill="${colour}"/>`,
  );
  const at = {
    x: size.left + (index % 2) * 165,
    y: size.height - 28 + Math.floor(index / 2) * 16,
  };
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...dots,
    `<rect x="${at.x}" y="${at.y - 9}" width="10" height="10" fill="${colour}"/>`,
    text(name, { x: at.x + 15, y: at.y, more: "" }),
  ].join("\n");
}

interface Axis {
  readonly at: (value: number) => number;
  /** Powers of ten from the one below the least value to the one above the greatest. */
  readonly ticks: readonly number[];
}

function createAxis(values: readonly number[], [from, to]: readonly [number, number]): Axis {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
  };
}

function text(
  content: string,
  { x, y, more }: { readonly x: number; readonly y: number; readonly more: string },
): string {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${more}>${safe}</text>`;
}

function line(
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
  colour: string,
): string {
  return `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" stroke="${colour}"/>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

/** 0.01, 10, 10k, 1M. */
function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  if (value >= 1e3) return `${value / 1e3}k`;
  return String(Number(value.toPrecision(1)));
}
