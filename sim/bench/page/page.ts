/**
 * What the dashboard weighs, how soon it is there, and what a page that is left open costs its node: with many peers, and
 * calls at an even pace. The cost is what the node takes of a core with the page open, less what the same load takes with
 * the page closed, in turns: what else the machine does changes from one minute to the next, and less within one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Browser } from 'playwright-core';
import { CHROMIUM, startBrowser } from '../../chromium.ts';
import type { NodeProcess } from '../../process.ts';
import { removeAtExit } from '../../remove-at-exit.ts';
import { percentile } from '../../report.ts';
import { atMost, renderBars, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import { cpuUs } from '../cpu.ts';
import type { PageSize } from '../size.ts';
import { sleep, startCalls, startMeasured, startPeers } from './world.ts';
import type { PacedCalls } from './world.ts';

const FILES = ['', 'app.js', 'app.css', 'icon.svg'];
const WEIGHT_MAX_KB = 80;
const PAINT_MAX_MS = 300;
const SHARE_MAX = 0.1;
/** A load that came less than so much of its pace has shown nothing. */
const PACE_LEAST = 0.9;
/** From when a page shows what the node says until it is measured. */
const SETTLE_MS = 1000;

/** What a node pays for a page that somebody has left open. */
export interface PageCost {
  readonly page: string;
  /** Share of a core that the node takes with the page closed, and with it open: medians of the rounds. */
  readonly closed: number;
  readonly open: number;
  /** The median over rounds of what is between them; NaN where the load did not keep its pace. */
  readonly cost: number;
  /** Calls a second meanwhile. */
  readonly perSecond: number;
}

/** What was measured; NaN of what was not. */
export interface PageFigures {
  /** All that a browser loads, by gzip, kB. */
  readonly weightKb: number;
  /** From the click on the link until the first paint, ms: median and the slowest, of a node that has nothing else to do. */
  readonly paintMs: number;
  readonly slowestPaintMs: number;
  /** The same until the menu is there, for which the node has let the page in. */
  readonly shownMs: number;
  /** Both with peers and calls. */
  readonly busyPaintMs: number;
  readonly busyShownMs: number;
  readonly costs: readonly PageCost[];
  readonly bars: readonly Bar[];
}

/** Measures, and prints tables. Without Chromium only the weight is measured. */
export async function benchPage(
  size: PageSize,
  print: (text: string) => void,
): Promise<PageFigures> {
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-page-'));
  const cancelRemoval = removeAtExit(root);
  const cleanups: (() => unknown)[] = [
    () => cancelRemoval(),
    () => rm(root, { recursive: true, force: true }),
  ];
  try {
    const node = await startMeasured(root);
    cleanups.push(() => node.stop());
    const weightKb = (await weightOf(node)) / 1000;
    const measured =
      CHROMIUM === undefined || size.loads === 0
        ? NOTHING
        : await inBrowser(root, node, size, cleanups);
    const figures = { weightKb, ...measured };
    const bars = judge(figures);
    print(render(figures, size) + renderBars(bars));
    return { ...figures, bars };
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  }
}

type InBrowser = Omit<PageFigures, 'bars' | 'weightKb'>;

const NOTHING: InBrowser = {
  paintMs: Number.NaN,
  slowestPaintMs: Number.NaN,
  shownMs: Number.NaN,
  busyPaintMs: Number.NaN,
  busyShownMs: Number.NaN,
  costs: [],
};

async function inBrowser(
  root: string,
  node: NodeProcess,
  size: PageSize,
  cleanups: (() => unknown)[],
): Promise<InBrowser> {
  const browser = await startBrowser();
  cleanups.push(() => browser.close());
  const quiet = await loadsOf(browser, node, size.loads);
  await startPeers(root, node, size.peers, cleanups);
  const calls = await startCalls(node, size.callsPerSecond);
  const busy = await loadsOf(browser, node, size.loads);
  const costs: PageCost[] = [];
  for (const page of size.pages) costs.push(await costOf(page, { browser, node, calls }, size));
  await calls.stop();
  return {
    paintMs: percentile(
      quiet.map(({ paintMs }) => paintMs),
      0.5,
    ),
    slowestPaintMs: Math.max(...quiet.map(({ paintMs }) => paintMs)),
    shownMs: percentile(
      quiet.map(({ shownMs }) => shownMs),
      0.5,
    ),
    busyPaintMs: percentile(
      busy.map(({ paintMs }) => paintMs),
      0.5,
    ),
    busyShownMs: percentile(
      busy.map(({ shownMs }) => shownMs),
      0.5,
    ),
    costs,
  };
}

/** Bytes of all files as they travel. */
async function weightOf(node: NodeProcess): Promise<number> {
  const origin = new URL(node.up.endpoints.url ?? '').origin;
  const sizes = await Promise.all(FILES.map((name) => travelled(`${origin}/dashboard/${name}`)));
  return sizes.reduce((sum, one) => sum + one, 0);
}

/** `fetch` would unpack the body, and say nothing of how long it was. */
function travelled(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { 'accept-encoding': 'gzip' } }, (response) => {
      const { headers, statusCode }: IncomingMessage = response;
      let bytes = 0;
      response.on('data', (chunk: Buffer) => (bytes += chunk.length));
      response.on('end', () => {
        const isWhole = statusCode === 200 && headers['content-encoding'] === 'gzip';
        if (isWhole) resolve(bytes);
        else reject(new Error(`${url} was answered with ${statusCode}`));
      });
    });
    asked.on('error', reject).end();
  });
}

async function linkOf(node: NodeProcess): Promise<string> {
  const { stdout, stderr } = await node.run(['dashboard', '--json']);
  if (stdout === '') throw new Error(stderr);
  return (JSON.parse(stdout) as { readonly url: string }).url;
}

/** One load: from when the browser sets out for the page, ms. */
interface Load {
  readonly paintMs: number;
  readonly shownMs: number;
}

/** Runs in the page: when it was painted first, and when its menu came. */
const WATCH = `new Promise((resolve) => {
  const look = () => {
    if (document.querySelector('nav a') === null) return requestAnimationFrame(look);
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    if (paint === undefined) return requestAnimationFrame(look);
    return resolve({ paintMs: paint.startTime, shownMs: performance.now() });
  };
  look();
})`;

/** Each load in a window of its own, with nothing kept of the one before. */
async function loadsOf(browser: Browser, node: NodeProcess, count: number): Promise<Load[]> {
  const loads: Load[] = [];
  for (let load = 0; load < count; load += 1) {
    const link = await linkOf(node);
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(link, { waitUntil: 'commit' });
    loads.push(await page.evaluate<Load>(WATCH));
    await context.close();
  }
  return loads;
}

interface Scene {
  readonly browser: Browser;
  readonly node: NodeProcess;
  readonly calls: PacedCalls;
}

/** One page, open and closed in turns. */
async function costOf(page: string, scene: Scene, size: PageSize): Promise<PageCost> {
  const { browser, calls, node } = scene;
  const rounds: { readonly open: number; readonly closed: number }[] = [];
  const [from, before] = [performance.now(), calls.answered()];
  for (let round = 0; round < size.rounds; round += 1) {
    const closed = await shareOf(node, size.roundMs);
    const context = await browser.newContext();
    const shown = await context.newPage();
    await shown.goto(await linkOf(node));
    await shown.getByRole('navigation').getByRole('link', { name: page }).click();
    await shown.getByRole('heading', { level: 1, name: page }).waitFor();
    await sleep(SETTLE_MS);
    const open = await shareOf(node, size.roundMs);
    await context.close();
    rounds.push({ open, closed });
  }
  const perSecond = (calls.answered() - before) / ((performance.now() - from) / 1000);
  const medianOf = (pick: (round: (typeof rounds)[number]) => number): number =>
    percentile(rounds.map(pick), 0.5);
  return {
    page,
    closed: medianOf(({ closed }) => closed),
    open: medianOf(({ open }) => open),
    cost:
      perSecond >= size.callsPerSecond * PACE_LEAST
        ? medianOf(({ open, closed }) => open - closed)
        : Number.NaN,
    perSecond,
  };
}

/** What the node takes of a core for so long; its servers are not counted. */
async function shareOf(node: NodeProcess, ms: number): Promise<number> {
  const pids = [node.up.pid];
  const [from, before] = [performance.now(), cpuUs(pids) ?? Number.NaN];
  await sleep(ms);
  const us = (cpuUs(pids) ?? Number.NaN) - before;
  return us / 1000 / (performance.now() - from);
}

function judge({ weightKb, paintMs, costs }: Omit<PageFigures, 'bars'>): readonly Bar[] {
  const unknown = costs.find(({ cost }) => Number.isNaN(cost));
  const dearest = unknown ?? costs.toSorted((a, b) => b.cost - a.cost)[0];
  const title = 'page: share of a core of the node, the dearest page';
  return [
    atMost('page: kB by gzip, in all', WEIGHT_MAX_KB, weightKb),
    atMost('page: first paint, p50, ms', PAINT_MAX_MS, paintMs),
    dearest === undefined
      ? atMost(title, SHARE_MAX, Number.NaN)
      : atMost(`${title} (${dearest.page})`, SHARE_MAX, dearest.cost),
  ];
}

function render(
  figures: Omit<PageFigures, 'bars'>,
  { callsPerSecond, loads, peers }: PageSize,
): string {
  const { weightKb, paintMs, slowestPaintMs, shownMs, busyPaintMs, busyShownMs, costs } = figures;
  const ms = (value: number): string => (Number.isNaN(value) ? '–' : `${value.toFixed(0)} ms`);
  const quiet = `first paint of ${loads} loads ${ms(paintMs)}, the slowest ${ms(slowestPaintMs)}, the menu ${ms(shownMs)}`;
  const busy = `with ${peers} peers and ${callsPerSecond} calls/s ${ms(busyPaintMs)} and ${ms(busyShownMs)}`;
  const percent = (share: number): string =>
    Number.isNaN(share) ? '–' : `${(share * 100).toFixed(1)} %`;
  const rows = costs.map(({ page, closed, open, cost, perSecond }) => [
    page,
    percent(closed),
    percent(open),
    percent(cost),
    perSecond.toFixed(0),
  ]);
  return `${table([`the node, ${peers} peers`, 'page closed', 'open', 'cost', 'calls/s'], rows)}the page: ${weightKb.toFixed(1)} kB by gzip; ${quiet}; ${busy}\n\n`;
}
