/** Attacks on the dashboard: by other pages, by whoever has its link, by a script in it, and by texts that peers choose. */
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import type { AgentInboxResult } from '../../../src/agents/types.ts';
import type { JsonObject } from '../../../src/core/json/json.ts';
import { attempt, builtin, eventually, ok, status, toolList } from '../support.ts';
import { watched } from './browser.ts';
import { linkOf, pageNames, show } from './dashboard-window.ts';
import { speakMarkup } from './hostile-texts.ts';
import type { PageWalk } from './pages.ts';

/** What an attack has. */
export interface Attack extends PageWalk {
  readonly browser: Browser;
}

/** What somebody hostile writes wherever that is shown. */
export const MARKUP = '<img src=x onerror=alert(1)><script>alert(2)</script>';

async function aStolenLink({ bob, browser }: Attack): Promise<void> {
  const link = await linkOf(bob);
  const [first, thief] = await Promise.all([watched(browser), watched(browser)]);
  await first.page.goto(link);
  await first.page.getByRole('navigation').waitFor();
  await thief.page.goto(link);
  await thief.page.getByText(/was opened before/).waitFor();
  const second = await first.context.newPage();
  await second.goto(link.replace(/#.*/, ''));
  await second.getByText('This page is closed').waitFor();
  await Promise.all([first.context.close(), thief.context.close()]);
}

async function anotherPage({ alice, browser, eve }: Attack): Promise<void> {
  const { page, context } = await watched(browser);
  // A page of another origin of this machine: another node serves one.
  await page.goto(eve.up.endpoints.url?.replace('/mcp', '/healthz') ?? '');
  const origin = new URL(alice.up.endpoints.url ?? '').origin;
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
  // Nor is there anything in the frame that a person could be made to press.
  const [frame] = page.frames().filter((one) => one !== page.mainFrame());
  expect(frame?.url()).toBe('chrome-error://chromewebdata/');
  await context.close();
}

async function aScriptInIt({ alice, open }: Attack): Promise<void> {
  // The page itself is the attacker: as if a script ran in it.
  const requests: string[] = [];
  open.page.on('request', (request) => {
    const { authorization } = request.headers();
    if (authorization !== undefined) requests.push(authorization);
  });
  await expect.poll(() => requests.length).toBeGreaterThan(0);
  const names = await terminalOnly(alice);
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
}

async function markupOfPeers({ eve, open }: Attack): Promise<void> {
  await ok(eve, 'board', 'set', 'wall', 'greeting', JSON.stringify(MARKUP), '--create', '--open');
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
}

async function markupOfAnswers({ alice, eve, open }: Attack): Promise<void> {
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
}

async function markupOfAll({ alice, browser }: Attack): Promise<void> {
  await builtin(alice, 'agent_spawn', { agentType: 'echo', name: 'writer', wait_s: 30 });
  const window = await watched(browser);
  const { page } = window;
  await speakMarkup(page, MARKUP);
  await page.goto(await linkOf(alice));
  await page.getByRole('navigation').waitFor();
  const told = async (where: string): Promise<void> => {
    await expect.poll(() => page.locator('.loading').count(), { message: where }).toBe(0);
    expect(await page.locator('img:not([src="icon.svg"]), #app script').count(), where).toBe(0);
    const shown = page.locator('main').getByText(MARKUP);
    await expect.poll(() => shown.count(), { message: where }).toBeGreaterThan(0);
  };
  for (const name of await pageNames(window)) {
    await show(window, name);
    await told(name);
    const things = page.locator('main button.link');
    if ((await things.count()) === 0) continue;
    await things.first().click();
    await page.getByRole('dialog').waitFor();
    await told(`what ${name} opens`);
    await page.keyboard.press('Escape');
  }
  await show(window, 'Tools');
  await page.getByRole('button', { name: /^toolbox__add/ }).click();
  const panel = page.getByRole('dialog');
  await panel.locator('input').first().waitFor();
  for (const field of await panel.locator('input').all()) await field.fill('1');
  await panel.getByRole('button', { name: 'Call it' }).click();
  await panel.getByRole('status').getByText(MARKUP).first().waitFor();
  await page.keyboard.press('Escape');
  await show(window, 'Grants');
  await page.getByLabel('who', { exact: true }).fill('nobody');
  await page.getByLabel('what', { exact: true }).fill('toolbox/add');
  await page.getByRole('button', { name: 'May they?' }).click();
  await page.getByRole('alert').getByText(MARKUP).first().waitFor();
  expect(await page.locator('img:not([src="icon.svg"]), #app script').count()).toBe(0);
  expect(window.complaints).toEqual([]);
  await window.context.close();
}

async function closing({ bob, far }: Attack): Promise<void> {
  expect(await ok(bob, 'dashboard', '--close')).toContain('closed');
  await far.page.getByText('This page is closed').waitFor();
  expect((await status(bob)).dashboards).toBeUndefined();
}

/** What only the terminal does: all tools that change something and are for no client, but for the answer to a question. */
async function terminalOnly(alice: NodeProcess): Promise<readonly string[]> {
  const own = (await toolList(alice)).filter(({ name }) => name.startsWith('starling__'));
  const changing = own.filter(({ _meta, annotations }) => {
    const { readOnlyHint } = annotations as JsonObject;
    return readOnlyHint !== true && (_meta as JsonObject)['starling/clients'] === 'no';
  });
  const names = changing.map(({ name }) => name.replace('starling__', ''));
  return [...names.filter((name) => name !== 'approval_answer'), 'grant_export'];
}

/** All, by what comes of them. */
export const attacks: Readonly<Record<string, (attack: Attack) => Promise<void>>> = {
  'a stolen link opens nothing, nor does a second tab': aStolenLink,
  'no page of elsewhere can ask, frame or read it': anotherPage,
  'what changes keys, secrets, rights or policy is not there, whatever the page asks for':
    aScriptInIt,
  'shows markup of peers and servers as text': markupOfPeers,
  'shows markup of a question, and of an error of an agent at a peer, as text': markupOfAnswers,
  'shows as text whatever it is told: each name, description, value, log line and error':
    markupOfAll,
  '--close ends every page': closing,
};
