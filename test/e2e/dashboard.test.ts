/** The dashboard in a real browser, over a mesh of three nodes. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import type { NodeProcess } from '../../sim/process.ts';
import type { AgentInboxResult } from '../../src/agents/types.ts';
import type { JsonObject } from '../../src/core/json/json.ts';
import { CHROMIUM, startBrowser } from '../../sim/chromium.ts';
import { someOf } from '../long/extent.ts';
import { axe, brokenWords, watched } from './browser/browser.ts';
import { buttonWalks } from './browser/buttons.ts';
import { linkOf, openDashboard, pageNames, show } from './browser/dashboard-window.ts';
import { faultsByTab, fromTheTop, tabTo } from './browser/keyboard.ts';
import { enlarged, lostIn } from './browser/reflow.ts';
import type { Watched } from './browser/browser.ts';
import {
  SERVERS,
  attempt,
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
/** What somebody hostile writes wherever that is shown. */
const MARKUP = '<img src=x onerror=alert(1)><script>alert(2)</script>';
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

  it('shows what each part of the way of one call took, over a peer to its server', async () => {
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
  });

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
    for (const name of await pageNames(open)) {
      await show(open, name);
      expect(await axe(open), name).toEqual([]);
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
      for (const name of await pageNames(open)) {
        await show(open, name);
        expect(await lostIn(open), name).toEqual([]);
      }
      for (const [name, button] of [
        ['Mesh', 'bob'],
        ['Tools', 'toolbox__add'],
      ] as const) {
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
    const window = await opened(nodes.alice);
    const { keyboard } = window.page;
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    expect(await window.page.evaluate('document.activeElement.id')).toBe('main');
    // Each Tab is a question to the browser, and a page has many: some pages here, all in `npm run long`.
    for (const name of someOf(await pageNames(window), (_, page) => page % 3 === 0)) {
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
    await window.context.close();
  });

  it('shows a cut connection, and mends it by itself', async () => {
    await far.context.setOffline(true);
    await far.page.getByText(/no connection for \d+s, trying again/).waitFor();
    await far.context.setOffline(false);
    await far.page.getByText('live', { exact: true }).waitFor();
  });
});

describe.skipIf(CHROMIUM === undefined)('each button, and the command beside it', () => {
  it.each(Object.entries(buttonWalks))('%s', (_, walk) =>
    walk({ open, alice: nodes.alice, bob: nodes.bob }),
  );
});

describe.skipIf(CHROMIUM === undefined)('attacks on the dashboard', () => {
  it('a stolen link opens nothing, nor does a second tab', async () => {
    const link = await linkOf(nodes.bob);
    const [first, thief] = await Promise.all([watched(browser), watched(browser)]);
    await first.page.goto(link);
    await first.page.getByRole('navigation').waitFor();
    await thief.page.goto(link);
    await thief.page.getByText(/was opened before/).waitFor();
    const second = await first.context.newPage();
    await second.goto(link.replace(/#.*/, ''));
    await second.getByText('This page is closed').waitFor();
    await Promise.all([first.context.close(), thief.context.close()]);
  });

  it('no page of elsewhere can ask, frame or read it', async () => {
    const { page, context } = await watched(browser);
    // A page of another origin of this machine: another node serves one.
    await page.goto(nodes.eve.up.endpoints.url?.replace('/mcp', '/healthz') ?? '');
    const origin = new URL(nodes.alice.up.endpoints.url ?? '').origin;
    const reached = await page.evaluate(`(async () => {
      const tried = [];
      for (const path of ['/dashboard/', '/dashboard/session', '/dashboard/end', '/mcp']) {
        const init = { method: path.endsWith('/') ? 'GET' : 'POST', credentials: 'include', body: path.endsWith('/') ? undefined : 'x' };
        tried.push(await fetch('${origin}' + path, init).then((it) => it.status, () => 'refused'));
      }
      const frame = document.createElement('iframe');
      frame.src = '${origin}/dashboard/';
      document.body.append(frame);
      await new Promise((done) => { frame.onload = done; });
      try { tried.push(frame.contentDocument === null ? 'refused' : frame.contentDocument.title); } catch { tried.push('refused'); }
      return tried;
    })()`);
    expect(reached).toEqual(['refused', 'refused', 'refused', 'refused', 'refused']);
    await context.close();
  });

  it('what changes keys, secrets, rights or policy is not there, whatever the page asks for', async () => {
    // The page itself is the attacker: as if a script ran in it.
    const requests: string[] = [];
    open.page.on('request', (request) => {
      const { authorization } = request.headers();
      if (authorization !== undefined) requests.push(authorization);
    });
    await expect.poll(() => requests.length).toBeGreaterThan(0);
    const names = await terminalOnly();
    for (const name of ['grant_create', 'secret_set', 'key_create', 'proposal_answer']) {
      expect(names).toContain(name);
    }
    expect(names.length).toBeGreaterThan(30);
    const refused = await open.page.evaluate(`(async () => {
      const headers = { authorization: ${JSON.stringify(requests[0] ?? '')}, 'content-type': 'application/json', accept: 'application/json' };
      const send = async (body, more = {}) => fetch('/mcp', { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }) });
      const begun = await send({ method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'evil', version: '1' } } });
      const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') };
      const allowed = [];
      for (const name of ${JSON.stringify(names)}) {
        const answer = await (await send({ method: 'tools/call', params: { name: 'starling__' + name, arguments: {} } }, session)).json();
        const isRefused = answer.error?.message.includes('not for the dashboard') || answer.error?.data?.code === 'STARLING_TOOL_UNKNOWN';
        if (!isRefused) allowed.push(name + ' ' + JSON.stringify(answer));
      }
      return allowed;
    })()`);
    expect(refused).toEqual([]);
  });

  it('shows markup of peers and servers as text', async () => {
    await ok(
      nodes.eve,
      'board',
      'set',
      'wall',
      'greeting',
      JSON.stringify(MARKUP),
      '--create',
      '--open',
    );
    await show(open, 'Tools');
    const { page } = open;
    await page.getByRole('cell', { name: MARKUP }).waitFor();
    await page.getByRole('button', { name: 'odd__note' }).click();
    await page.getByRole('dialog').getByText(MARKUP).waitFor();
    await page.keyboard.press('Escape');
    await show(open, 'Boards');
    await page.getByRole('combobox').selectOption('wall');
    await page.getByRole('cell', { name: MARKUP }).first().waitFor();
    expect(await page.locator('img[onerror], #app script').count()).toBe(0);
    expect(open.complaints).toEqual([]);
  });

  it('shows markup of a question, and of an error of an agent at a peer, as text', async () => {
    const { alice, eve } = nodes;
    const { page } = open;
    const asking = eve.run(['request', 'alice/toolbox/echo', '--because', MARKUP]);
    await show(open, 'Approvals');
    await page.getByText(MARKUP).first().waitFor();
    await page.getByRole('button', { name: 'Deny', exact: true }).first().click();
    await asking;
    await ok(eve, 'agent', 'announce', 'evil', '--capability', 'harm');
    await ok(eve, 'grant', 'create', 'alice', '--agent', 'evil');
    const id = await eventually(
      'the task is given',
      () => attempt(alice, 'task', 'run', 'x', '--need', 'harm', '--detach'),
      ({ code }) => code === 0,
    ).then(({ stdout }) => stdout.trim());
    const { messages } = await eventually(
      'the agent has it',
      () => builtin<AgentInboxResult>(eve, 'agent_inbox', { name: 'evil', timeout_s: 5 }),
      (inbox) => inbox.messages.length > 0,
    );
    const [{ id: inReplyTo } = { id: '' }] = messages;
    await builtin(eve, 'agent_message', {
      type: 'response',
      inReplyTo,
      message: 'no',
      error: MARKUP,
    });
    await show(open, 'Tasks');
    await page.getByRole('button', { name: `…${id.slice(-8)}` }).click();
    await page.getByRole('dialog').getByText(MARKUP).first().waitFor();
    await page.keyboard.press('Escape');
    for (const name of await pageNames(open)) {
      await show(open, name);
      expect(await page.locator('img[onerror], #app script').count(), name).toBe(0);
    }
    expect(open.complaints).toEqual([]);
  });

  it('--close ends every page', async () => {
    const window = await opened(nodes.bob);
    expect(await ok(nodes.bob, 'dashboard', '--close')).toContain('closed');
    await window.page.getByText('This page is closed').waitFor();
    expect((await status(nodes.bob)).dashboards).toBeUndefined();
    await window.context.close();
  });
});

/** What only the terminal does: all tools that change something and are for no client, but for the answer to a question. */
async function terminalOnly(): Promise<readonly string[]> {
  const own = (await toolList(nodes.alice)).filter(({ name }) => name.startsWith('starling__'));
  const changing = own.filter(({ _meta, annotations }) => {
    const { readOnlyHint } = annotations as JsonObject;
    return readOnlyHint !== true && (_meta as JsonObject)['starling/clients'] === 'no';
  });
  const names = changing.map(({ name }) => name.replace('starling__', ''));
  return [...names.filter((name) => name !== 'approval_answer'), 'grant_export'];
}
