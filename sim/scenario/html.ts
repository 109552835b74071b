/** The report as one page that needs nothing else: plots are SVG in the page, and no script runs. */
import { round } from './report.ts';
import type { Plot, RunReport } from './report.ts';

const WIDTH = 520;
const HEIGHT = 230;
const LEFT = 56;
const BOTTOM = 34;
const TOP = 12;
const RIGHT = 12;
/** Told apart also by those who see fewer colours (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
/** A curve of so many points is drawn as dots where it is of single events. */
const DOTS_MAX = 4000;

const STYLE = `body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1120px;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}
.fail{color:#b3261e}.pass{color:#00695c}.plots{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{font-weight:600;font-size:.9rem}
svg text{font:11px system-ui,sans-serif;fill:#44505c}code{background:#f0f2f4;padding:.1rem .3rem}details{margin:.4rem 0}
@media(prefers-color-scheme:dark){body{background:#14181d;color:#e3e7eb}svg text{fill:#aab4be}code{background:#242b33}}`;

/** The page of one or more runs, with plots over the number of nodes where there are several. */
export function renderHtml(reports: readonly RunReport[], overNodes: readonly Plot[]): string {
  const [first] = reports;
  const title = `${first?.scenario ?? 'nothing'}: ${reports.every(({ pass }) => pass) ? 'passed' : 'FAILED'}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${safe(title)}</title><style>${STYLE}</style></head><body>
<h1>${safe(title)}</h1><p>${safe(first?.about ?? '')}</p>
${overNodes.length === 0 ? '' : `<h2>By number of nodes</h2><div class="plots">${overNodes.map(renderPlot).join('')}</div>`}
${reports.map(renderRun).join('\n')}
</body></html>
`;
}

function renderRun(report: RunReport): string {
  const { engine, nodes, seed, pass, verdicts, figures, calls, notes, events, plots, replay } =
    report;
  const rows = verdicts.map(
    ({ claim, pass: held, measured, limit, detail }) =>
      `<tr><td class="${held ? 'pass' : 'fail'}">${held ? '✓' : '✗'}</td><td>${safe(claim)}${detail === undefined ? '' : `<br><small>${safe(detail)}</small>`}</td><td>${number(measured)}</td><td>${number(limit)}</td></tr>`,
  );
  const numbers = Object.entries({ ...figures, ...prefixed(calls) });
  return `<section><h2>${nodes} nodes, engine ${engine}, seed ${seed}: <span class="${pass ? 'pass' : 'fail'}">${pass ? 'passed' : 'FAILED'}</span></h2>
<p>Again: <code>${safe(replay)}</code></p>
${notes.map((note) => `<p><small>${safe(note)}</small></p>`).join('')}
<table><tr><th></th><th>claim</th><th>measured</th><th>limit</th></tr>${rows.join('')}</table>
<div class="plots">${plots.map(renderPlot).join('')}</div>
<details><summary>Figures</summary><table>${numbers.map(([name, value]) => `<tr><td>${safe(name)}</td><td>${number(value)}</td></tr>`).join('')}</table></details>
<details><summary>What happened</summary><table>${events.map(({ atMs, text }) => `<tr><td>${(atMs / 1000).toFixed(2)} s</td><td>${safe(text)}</td></tr>`).join('')}</table></details></section>`;
}

function prefixed(calls: object | undefined): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries((calls ?? {}) as Readonly<Record<string, number>>).map(([name, value]) => [
      `calls ${name}`,
      value,
    ]),
  );
}

function renderPlot(plot: Plot): string {
  const points = plot.curves
    .flatMap((curve) => curve.points)
    .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (points.length === 0) return '';
  const scale =
    plot.isLog === true
      ? (value: number): number => Math.log10(Math.max(value, 1e-6))
      : (value: number): number => value;
  const xs = points.map(([x]) => scale(x));
  const ys = points.map(([, y]) => scale(y));
  const [x0, x1] = [least(xs), most(xs)];
  const [y0, y1] = plot.isLog === true ? [least(ys), most(ys)] : [Math.min(0, least(ys)), most(ys)];
  const atX = (x: number): number =>
    LEFT + ((scale(x) - x0) / (x1 - x0 || 1)) * (WIDTH - LEFT - RIGHT);
  const atY = (y: number): number =>
    HEIGHT - BOTTOM - ((scale(y) - y0) / (y1 - y0 || 1)) * (HEIGHT - BOTTOM - TOP);
  const back =
    plot.isLog === true ? (value: number): number => 10 ** value : (value: number): number => value;
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const grid = ticks.map((share) => {
    const y = back(y0 + (y1 - y0) * share);
    const x = back(x0 + (x1 - x0) * share);
    return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${atY(y).toFixed(1)}" y2="${atY(y).toFixed(1)}" stroke="#8883"/><text x="${LEFT - 6}" y="${(atY(y) + 4).toFixed(1)}" text-anchor="end">${round(y)}</text><text x="${atX(x).toFixed(1)}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${round(x)}</text>`;
  });
  const drawn = plot.curves.map(({ title, points: own }, at) => {
    const colour = COLOURS[at % COLOURS.length] ?? '#000';
    const known = own
      .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y))
      .slice(0, DOTS_MAX);
    const path = known.map(([x, y]) => `${atX(x).toFixed(1)},${atY(y).toFixed(1)}`).join(' ');
    const dots =
      known.length > 60
        ? ''
        : known
            .map(
              ([x, y]) =>
                `<circle cx="${atX(x).toFixed(1)}" cy="${atY(y).toFixed(1)}" r="2.5" fill="${colour}"/>`,
            )
            .join('');
    const name =
      plot.curves.length > 1
        ? `<text x="${LEFT + 8}" y="${TOP + 12 + at * 14}" style="fill:${colour}">${safe(title)}</text>`
        : '';
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.6"/>${dots}${name}`;
  });
  return `<figure><figcaption>${safe(plot.title)}</figcaption><svg role="img" aria-label="${safe(plot.title)}" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}">${grid.join('')}${drawn.join('')}<text x="${WIDTH - RIGHT}" y="${HEIGHT - 4}" text-anchor="end">${safe(plot.x)}</text><text x="4" y="${TOP - 2}">${safe(plot.y)}</text></svg></figure>`;
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}

function number(value: number | undefined): string {
  return value === undefined ? '' : String(round(value));
}

function safe(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
