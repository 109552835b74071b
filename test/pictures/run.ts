/**
 * `npm run pictures [-- --each <folder>]`: draws each page of the dashboard over three real nodes, in light and dark, on a
 * desktop and on a phone, as Chromium shows it, into `docs/dashboard/`: a sheet for each of the four. Needs a build, and
 * Chromium. `--each` also writes each page by itself as PNG, for eyes.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { CHROMIUM, startBrowser } from '../../sim/chromium.ts';
import { readOptions } from '../../sim/command-options.ts';
import type { NodeProcess } from '../../sim/process.ts';
import { startScene } from './scene.ts';

const INTO = resolve(import.meta.dirname, '../../docs/dashboard');
const SCHEMES = ['light', 'dark'] as const;
/** The size of a window, how large its picture is on the sheet, and how many stand beside each other. */
const DEVICES = {
  desktop: { width: 1280, height: 860, shown: 0.5, columns: 3 },
  phone: { width: 390, height: 844, shown: 0.6, columns: 7 },
} as const;
type Device = keyof typeof DEVICES;
/** Small, and still read: the repository keeps them. */
const QUALITY = 50;
const GAP = 18;
const POLL_MS = 50;

interface Shot {
  readonly name: string;
  readonly png: Buffer;
}

/** Each page as a window of that size shows it. */
async function shotsOf(
  browser: Browser,
  node: NodeProcess,
  device: Device,
  colorScheme: (typeof SCHEMES)[number],
): Promise<readonly Shot[]> {
  const { stdout, stderr } = await node.run(['dashboard', '--json']);
  if (stdout === '') throw new Error(stderr);
  const { width, height } = DEVICES[device];
  const context = await browser.newContext({ colorScheme, viewport: { width, height } });
  const page = await context.newPage();
  await page.goto((JSON.parse(stdout) as { readonly url: string }).url);
  const menu = page.getByRole('navigation');
  await menu.waitFor();
  const names = await page.evaluate<readonly string[]>(NAMES);
  const shots: Shot[] = [];
  for (const name of names) {
    await menu.getByRole('link', { name }).click();
    await page.getByRole('heading', { level: 1, name }).waitFor();
    while ((await page.locator('.loading').count()) > 0) await page.waitForTimeout(POLL_MS);
    shots.push({ name, png: await page.screenshot() });
  }
  await context.close();
  return shots;
}

/** Runs in the page: what the menu has, without what is counted there. */
const NAMES = "[...document.querySelectorAll('nav a')].map((link) => link.firstChild.textContent)";

/** All pages on one sheet, as WebP. */
async function sheetOf(
  browser: Browser,
  shots: readonly Shot[],
  device: Device,
  scheme: (typeof SCHEMES)[number],
): Promise<Buffer> {
  const { columns, shown, width } = DEVICES[device];
  const page = await browser.newPage({
    viewport: { width: columns * (width * shown + GAP) + GAP, height: 800 },
  });
  const pictures = shots.map(
    ({ name, png }) =>
      `<figure><img src="data:image/png;base64,${png.toString('base64')}"><figcaption>${name}</figcaption></figure>`,
  );
  const ink = scheme === 'dark' ? ['#05090b', '#e4eef1'] : ['#dfe6e9', '#13232b'];
  await page.setContent(
    `<style>body{margin:0;padding:${GAP}px;background:${ink[0]};color:${ink[1]};display:grid;gap:${GAP}px;grid-template-columns:repeat(${columns},1fr);font:600 14px sans-serif}
figure{margin:0}img{width:100%;border-radius:6px}figcaption{text-align:center}</style>${pictures.join('')}`,
  );
  const picture = await wholeOf(page);
  await page.close();
  return picture;
}

async function wholeOf(page: Page): Promise<Buffer> {
  const cdp = await page.context().newCDPSession(page);
  const { cssContentSize } = await cdp.send('Page.getLayoutMetrics');
  const { data } = await cdp.send('Page.captureScreenshot', {
    format: 'webp',
    quality: QUALITY,
    captureBeyondViewport: true,
    clip: { ...cssContentSize, scale: 1 },
  });
  return Buffer.from(data, 'base64');
}

const USAGE = `
npm run pictures -- [options]: draws the pages of the dashboard into docs/dashboard

  --each <folder>  also write each page by itself, as PNG
`;

const { values } = readOptions({ usage: USAGE, options: { each: { type: 'string' } } });
if (CHROMIUM === undefined) {
  process.stderr.write('there is no Chromium on this machine\n');
  process.exit(1);
}
const root = await mkdtemp(join(tmpdir(), 'starling-pictures-'));
const cleanups: (() => unknown)[] = [
  () => rm(root, { recursive: true, force: true, maxRetries: 5 }),
];
try {
  const node = await startScene(root, cleanups);
  const browser = await startBrowser();
  cleanups.push(() => browser.close());
  if (values.each !== undefined) await mkdir(values.each, { recursive: true });
  for (const device of Object.keys(DEVICES) as Device[]) {
    for (const scheme of SCHEMES) {
      const shots = await shotsOf(browser, node, device, scheme);
      const name = `${device}-${scheme}`;
      for (const shot of values.each === undefined ? [] : shots) {
        await writeFile(join(values.each ?? '', `${name}-${shot.name}.png`), shot.png);
      }
      const sheet = await sheetOf(browser, shots, device, scheme);
      await writeFile(join(INTO, `${name}.webp`), sheet);
      process.stdout.write(`${name}.webp: ${shots.length} pages, ${sheet.length} bytes\n`);
    }
  }
} finally {
  for (const cleanup of cleanups.toReversed()) await cleanup();
}
