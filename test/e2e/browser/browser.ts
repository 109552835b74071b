/** A real browser before the dashboard of a node: what a person would see of it, and everything that it complains of. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';

const require = createRequire(import.meta.url);

/** A page, and what the browser has said of it. */
export interface Watched {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors and warnings of the console, uncaught errors, violations of the policy, and dialogs. */
  readonly complaints: string[];
  /** All addresses that were asked for, without what stands behind `#`. */
  readonly asked: ReadonlySet<string>;
}

/** Opens a window with nothing in it. */
export async function watched(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const context = await browser.newContext(options);
  const complaints: string[] = [];
  // Violations are told to the page, whether or not the console shows them.
  await context.exposeFunction('complain', (text: string) => void complaints.push(text));
  await context.addInitScript({
    content:
      "addEventListener('securitypolicyviolation', (event) => complain('policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample), true);",
  });
  const page = await context.newPage();
  const asked = new Set<string>();
  page.on('request', (request) => void asked.add(request.url().replace(/#.*/, '')));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => void complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss().catch((error: unknown) => complaints.push(String(error)));
  });
  return { context, page, complaints, asked };
}

/**
 * What axe finds wrong with what is shown now, and with its colours in the dark: one text each. It runs in a world of its own,
 * where the page's policy does not reach.
 */
export async function axe({ context, page }: Watched): Promise<readonly string[]> {
  const cdp = await context.newCDPSession(page);
  const { frameTree } = await cdp.send('Page.getFrameTree');
  const world = await cdp.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
  const run = async (expression: string): Promise<unknown> => {
    const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', {
      expression,
      contextId: world.executionContextId,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  };
  await run(`${readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')};undefined`);
  const found = await run(axeFor(''));
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await run(axeFor("runOnly: ['color-contrast'],"));
  await page.emulateMedia({ colorScheme: 'light' });
  await cdp.detach();
  const inTheDark = (dark as readonly string[]).map((text) => `dark ${text}`);
  return [...(found as readonly string[]), ...inTheDark];
}

/** All rules run, or some; what they have passed is not described node by node, which is most of axe's work on a long page. */
function axeFor(which: string): string {
  return `axe.run(document, { ${which} resultTypes: ['violations'], selectors: false }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 200)).join(' ')))`;
}

/** Runs in the page, whose names nobody knows here. */
const BROKEN_WORDS = `(() => {
  const broken = document.documentElement.scrollWidth > innerWidth ? ['(too wide)'] : [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text !== null; text = texts.nextNode()) {
    if (!/^[a-zA-Z0-9@:.-]{1,12}$/.test(text.textContent) || text.parentElement.closest('td') === null) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const lines = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
    if (lines.size > 1) broken.push(text.textContent);
  }
  return broken;
})()`;

/** Short words in tables that stand on more than one line, and whether the page is wider than its window. */
export function brokenWords({ page }: Watched): Promise<readonly string[]> {
  return page.evaluate<readonly string[]>(BROKEN_WORDS);
}
