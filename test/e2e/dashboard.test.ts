/** The dashboard in a real browser, over a mesh of three nodes. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import type { NodeProcess } from '../../sim/process.ts';
import { CHROMIUM, startBrowser } from '../../sim/chromium.ts';
import { someOf } from '../long/extent.ts';
import { longIt } from '../long/long-it.ts';
import { startVendor } from '../models/fake-vendor.ts';
import { MARKUP, attacks } from './browser/attacks.ts';
import { axe, brokenWords } from './browser/browser.ts';
import { buttonWalks } from './browser/buttons.ts';
import { pageWalks } from './browser/pages.ts';
import { openDashboard, pageNames, show } from './browser/dashboard-window.ts';
import { faultsByTab, fromTheTop, tabTo } from './browser/keyboard.ts';
import { enlarged, lostIn } from './browser/reflow.ts';
import type { Watched } from './browser/browser.ts';
import {
  SERVERS,
  builtin,
  eventually,
  ok,
  sees,
  status,
  ticketOf,
  toolList,
  useWorld,
} from './support.ts';

const world = useWorld('file');
/** A kind of agents that alice runs. */
const ECHO = {
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../fixtures/agents/worker.mjs')],
  protocol: 'lines',
  sandbox: false,
};
let nodes: { readonly alice: NodeProcess; readonly bob: NodeProcess; readonly eve: NodeProcess };
let browser: Browser;
let open: Watched;
/** The page of bob, to whom alice is a peer. */
let far: Watched;

/** Opens the dashboard of a node in a window of its own. */
const opened = (node: NodeProcess): Promise<Watched> => openDashboard(browser, node);

beforeAll(async () => {
  if (CHROMIUM === undefined) return;
  const root = await world.root();
  const vendor = await startVendor();
  world.defer(() => vendor.stop());
  const described = join(root, 'description.txt');
  await writeFile(described, `Reads notes. ${MARKUP}`);
  const odd = SERVERS.fixture(
    'plain.mjs',
    '--era',
    'legacy',
    '--log',
    join(root, 'odd.log'),
    '--text',
    described,
  );
  const [alice, started] = await Promise.all([
    world.start('alice', {
      config: {
        mcpServers: { toolbox: SERVERS.toolbox(), odd, gone: { command: '/no/such/program' } },
        agents: { unconfined: true, kinds: { echo: ECHO } },
        models: { providers: { gpu: { endpoint: vendor.url } } },
      },
    }),
    startBrowser(),
  ]);
  browser = started;
  const [bob, eve] = (await Promise.all(
    ['bob', 'eve'].map(async (name) =>
      world.start(name, { args: ['--join', await ticketOf(alice)] }),
    ),
  )) as [NodeProcess, NodeProcess];
  nodes = { alice, bob, eve };
  await sees(alice, [bob, eve]);
  [open, far] = await Promise.all([opened(alice), opened(bob)]);
});
afterAll(() => browser?.close());

describe.skipIf(CHROMIUM === undefined)('the dashboard', () => {
  it('keeps nothing of the link in the address, and is listed in the status', async () => {
    expect(new URL(open.page.url()).hash).toBe('');
    const { dashboards = [] } = await status(nodes.alice);
    expect(dashboards).toMatchObject([{ from: '127.0.0.1' }]);
    expect(await ok(nodes.alice, 'status')).toContain('starling dashboard --close');
    const stored = await open.page.evaluate(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
    );
    expect(stored).toBe('[{},{},""]');
  });

  it('shows the mesh, and the card of a peer', async () => {
    await show(open, 'Mesh');
    const { page } = open;
    await page.getByRole('img', { name: /alice and its peers: .*bob alive/ }).waitFor();
    await page.getByRole('button', { name: 'bob' }).click();
    await page.getByRole('dialog').getByText(nodes.bob.up.did).waitFor();
    await page.getByText('starling peers show bob').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    expect(await page.evaluate('document.activeElement.textContent')).toBe('bob');
  });

  it('calls a tool by a form made from its schema, and names the command that does the same', async () => {
    await show(open, 'Tools');
    const { page } = open;
    await page.getByRole('button', { name: 'toolbox__add', exact: true }).click();
    await page.getByLabel(/^a/).fill('2');
    await page.getByLabel(/^b/).fill('40');
    await page.getByText('starling call toolbox__add --arg a=2 --arg b=40').waitFor();
    await page.getByRole('button', { name: 'Call it' }).click();
    await page.getByRole('dialog').locator('pre', { hasText: '42' }).waitFor();
    await page.keyboard.press('Escape');
    await show(open, 'Calls');
    await page.getByRole('cell', { name: 'tool:toolbox/add' }).first().waitFor();
    await page.getByRole('img', { name: /^Calls by minute/ }).waitFor();
  });

  // The parts themselves are held by `e2e/node/traces`.
  longIt(
    'shows what each part of the way of one call took, over a peer to its server',
    async () => {
      await ok(nodes.alice, 'grant', 'create', 'bob', '--tool', 'toolbox/echo');
      const tool = 'alice__toolbox__echo';
      await eventually(
        'bob has the tool',
        () => toolList(nodes.bob),
        (tools) => tools.some(({ name }) => name === tool),
      );
      const { page } = far;
      await show(far, 'Tools');
      await page.getByRole('button', { name: tool, exact: true }).click();
      const panel = page.getByRole('dialog');
      const callsIt = async (): Promise<void> => {
        await panel.getByLabel(/^message/).fill('hello');
        await panel.getByRole('button', { name: 'Call it' }).click();
        const ways = panel.getByRole('table', { name: 'Parts of the way' });
        for (const where of ['this page → bob', 'bob → alice', 'alice → toolbox'])
          await ways.getByRole('cell', { name: where }).waitFor();
      };
      await callsIt();
      await panel.getByText(`starling trace ${tool} --arg message=hello`).waitFor();
      expect(await axe(far)).toEqual([]);
      await page.keyboard.press('Escape');
      // A call of the record is made again with its trace.
      await show(far, 'Calls');
      await page
        .getByRole('button', { name: `trace ${tool}` })
        .first()
        .click();
      await callsIt();
      await page.keyboard.press('Escape');
      expect(far.complaints).toEqual([]);
    },
  );

  it('answers what waits for a person, and says so where it is asked', async () => {
    await ok(nodes.alice, 'grant', 'create', 'bob', '--tool', 'toolbox/add', '--needs-approval');
    const asked = nodes.bob.run(['call', 'alice__toolbox__add', '--arg', 'a=1', '--arg', 'b=2']);
    await show(open, 'Approvals');
    const { page } = open;
    await page.getByText('{"a":1,"b":2}').waitFor();
    await page.getByLabel(/Your reason/).fill('go on');
    await page.getByRole('button', { name: 'Approve', exact: true }).click();
    expect((await asked).stdout).toContain('3');
    await page.getByRole('cell', { name: 'approved' }).waitFor();
  });

  it('verifies the record', async () => {
    await show(open, 'Audit');
    await open.page.getByRole('button', { name: 'Verify', exact: true }).click();
    await open.page.getByText('it holds').waitFor();
    // What the page asks again and again is not on record: nobody else asks for this.
    const asked = await builtin<{ readonly entries: readonly unknown[] }>(
      nodes.alice,
      'audit_query',
      {
        what: 'starling/calls_recent',
      },
    );
    expect(asked.entries).toEqual([]);
  });

  it('shows every warning with its remedy', async () => {
    await show(open, 'Health');
    await open.page.getByText('upstream-down:gone').waitFor();
    await open.page
      .getByText(/correct mcpServers\.gone\.command/)
      .first()
      .waitFor();
  });

  it('has nothing that axe or the browser complains of, on any page', async () => {
    const names = await pageNames(open);
    const judged = someOf(names, (_, page) => page === 0);
    for (const name of names) {
      await show(open, name);
      if (judged.includes(name)) expect(await axe(open), name).toEqual([]);
      expect(await open.page.locator('main .command').count(), name).toBeGreaterThan(0);
    }
    expect(open.complaints).toEqual([]);
  });

  it('is on record once with what it has shown, and not with each look', async () => {
    const { entries } = await builtin<{
      readonly entries: readonly { readonly what: { readonly resource: string } }[];
    }>(nodes.alice, 'audit_query', { kind: 'decision', what: 'starling/', limit: 1000 });
    const times = (tool: string): number =>
      entries.filter(({ what }) => what.resource === `tool:starling/${tool}`).length;
    // Each is asked for again every few seconds; a session looks at each page once, and at approvals from two places.
    const looked = ['agent_list', 'task_list', 'swarm_list', 'budget_list', 'model_list'];
    expect(Object.fromEntries(looked.map((tool) => [tool, times(tool)]))).toEqual(
      Object.fromEntries(looked.map((tool) => [tool, 1])),
    );
    expect(times('calls_recent')).toBe(0);
  });

  it('breaks no word in a table, however long what stands beside it is', async () => {
    await builtin(nodes.alice, 'board_set', {
      board: 'long',
      key: 'owner',
      value: 'word '.repeat(60),
      create: true,
    });
    await show(open, 'Boards');
    await open.page.getByRole('cell', { name: 'owner' }).first().waitFor();
    expect(await brokenWords(open)).toEqual([]);
  });

  it('loses nothing, and scrolls one way, where it is enlarged to 400 %', async () => {
    const { page } = open;
    const long = 'a-peer-with-a-rather-long-name';
    await ok(nodes.alice, 'peers', 'rename', 'eve', long);
    await show(open, 'Mesh');
    await page.getByRole('button', { name: long }).waitFor();
    await enlarged(open, async () => {
      for (const name of someOf(await pageNames(open), (_, page) => page === 1)) {
        await show(open, name);
        expect(await lostIn(open), name).toEqual([]);
      }
      const panels = [
        ['Mesh', 'bob'],
        ['Tools', 'toolbox__add'],
      ] as const;
      for (const [name, button] of someOf(panels, (_, panel) => panel === 1)) {
        await show(open, name);
        await page.getByRole('button', { name: button, exact: true }).click();
        const panel = page.getByRole('dialog');
        await panel.waitFor();
        await expect.poll(() => page.locator('.loading').count()).toBe(0);
        expect(await lostIn(open), button).toEqual([]);
        await panel.getByRole('button', { name: 'close', exact: true }).click();
      }
    });
  });

  it('is used by the keyboard alone: every page, and a call of a tool', async () => {
    const window = open;
    const { keyboard } = window.page;
    await fromTheTop(window);
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    expect(await window.page.evaluate('document.activeElement.id')).toBe('main');
    // Each Tab is a question to the browser, and a page has many: one page here, all in `npm run long`.
    for (const name of someOf(await pageNames(window), (_, page) => page === 2)) {
      await fromTheTop(window);
      await tabTo(window, new RegExp(`^${name}`));
      await keyboard.press('Enter');
      await window.page.getByRole('heading', { level: 1, name }).waitFor();
      await expect.poll(() => window.page.locator('.loading').count()).toBe(0);
      expect(await faultsByTab(window), name).toEqual([]);
    }
    await fromTheTop(window);
    await tabTo(window, /^Tools/);
    await keyboard.press('Enter');
    await tabTo(window, /^search/);
    await keyboard.type('toolbox add');
    await tabTo(window, /^toolbox__add$/);
    await keyboard.press('Enter');
    const panel = window.page.getByRole('dialog');
    await panel.waitFor();
    expect(await faultsByTab(window)).toEqual([]);
    for (const [field, value] of [
      [/^a/, '20'],
      [/^b/, '3'],
    ] as const) {
      await tabTo(window, field);
      await keyboard.type(value);
    }
    await keyboard.press('Enter');
    await panel.locator('pre', { hasText: '23' }).waitFor();
    await keyboard.press('Escape');
    await expect.poll(() => panel.count()).toBe(0);
    expect(await window.page.evaluate('document.activeElement.textContent')).toBe('toolbox__add');
    expect(window.complaints).toEqual([]);
  });

  it('shows a cut connection, and mends it by itself', async () => {
    await far.context.setOffline(true);
    await far.page.getByText(/no connection for \d+s, trying again/).waitFor();
    await far.context.setOffline(false);
    await far.page.getByText('live', { exact: true }).waitFor();
  });
});

/**
 * Walks that `npm test` leaves to `npm run long`, each with what holds it there. A page is a table of what a tool of the node
 * says, a button is a call of one: what those tools do is held by the tests of their rooms, how a page shows and calls them by
 * the walks that stay, that each page is there by the one through all of them, and which command stands beside a button by
 * `dashboard/twins`.
 */
const IN_LONG: ReadonlySet<string> = new Set([
  // `tasks/tasks` and `tasks/pauses`; a button that asks first: 'stops an agent'.
  'cancels a task, and tries it again',
  // The approval above, and `gateway/clearance/approvals`.
  'answers what waits for a person',
  // The call and the verification above, and `builtin/governance`.
  'calls a tool, verifies the record, and asks who may do what',
  // `e2e/agents/swarms` and `tasks/ballot`.
  'who of a swarm may write to whom, and the phases, attempts and ballots of a plan',
  // `builtin/boards/board-care`, `e2e/budgets`, `gateway/clearance/clearance` and `models/usage`.
  'what was written to a board, and by whom',
  'what a budget has, and the rights of each node in it',
  'the calls that a filter lets through, with the command of each',
  'what went through models',
  // `dashboard/door` and `dashboard/sessions`: the code of a link opens one session.
  'a stolen link opens nothing, nor does a second tab',
  // `dashboard/no-markup`, and the markup of peers and servers.
  'shows markup of a question, and of an error of an agent at a peer, as text',
  'shows as text whatever it is told: each name, description, value, log line and error',
]);

/** Those of `npm test`, or all. */
const walksOf = <T>(all: Readonly<Record<string, T>>): readonly (readonly [string, T])[] =>
  someOf(Object.entries(all), ([name]) => !IN_LONG.has(name));

describe.skipIf(CHROMIUM === undefined)('each button, and the command beside it', () => {
  it.each(walksOf(buttonWalks))('%s', (_, walk) =>
    walk({ open, alice: nodes.alice, bob: nodes.bob }),
  );
});

describe.skipIf(CHROMIUM === undefined)('each page shows what there is:', () => {
  it.each(walksOf(pageWalks))('%s', (_, walk) => walk({ open, far, ...nodes }));

  it('and has asked nobody but its node, by its files and by MCP', () => {
    const origin = new URL(nodes.alice.up.endpoints.url ?? '').origin;
    const own = ['', 'app.js', 'app.css', 'icon.svg', 'session'].map(
      (name) => `/dashboard/${name}`,
    );
    const known = [...own, '/mcp'].map((path) => `${origin}${path}`);
    expect([...open.asked].filter((url) => !known.includes(url))).toEqual([]);
    expect(open.asked).toContain(`${origin}/mcp`);
    expect(open.complaints).toEqual([]);
  });
});

describe.skipIf(CHROMIUM === undefined)('attacks on the dashboard:', () => {
  it.each(walksOf(attacks))('%s', (_, attack) => attack({ browser, open, far, ...nodes }));
});
