/**
 * Each button of the dashboard, and the command that stands beside it: both are used, one on one thing and the other on
 * another like it, and both come to the same.
 */
import type { Locator } from 'playwright-core';
import { expect } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import type { AgentInfoResult } from '../../../src/agents/types.ts';
import { wordsOf } from '../examples/place.ts';
import { builtin, eventually, ok } from '../support.ts';
import type { Watched } from './browser.ts';
import { show } from './dashboard-window.ts';

/** What a walk has. */
export interface ButtonWalk {
  readonly open: Watched;
  readonly alice: NodeProcess;
  /** A peer. */
  readonly bob: NodeProcess;
}

/** Presses a button, and once more where it asks. */
async function press(place: Locator, name: string, question?: string): Promise<void> {
  await place.getByRole('button', { name, exact: true }).first().click();
  if (question !== undefined) await place.getByRole('button', { name: question }).click();
}

/** The command that begins so, as the page shows it for copying. */
async function commandIn(place: Locator, begin: string): Promise<string> {
  const shown = place.locator('.command code', { hasText: begin }).first();
  await shown.waitFor();
  return shown.innerText();
}

/** Types a command that the page shows at the node, with something else in the place of what it was shown for. */
async function typed(
  node: NodeProcess,
  line: string,
  put: Readonly<Record<string, string>> = {},
): Promise<string> {
  const words = wordsOf(line).map((word) => put[word] ?? word);
  expect(words[0]).toBe('starling');
  return ok(node, ...words.slice(1));
}

interface Task {
  readonly taskId: string;
  readonly status: string;
}

const statusOf = async (node: NodeProcess, taskId: string): Promise<string> =>
  (await builtin<Task>(node, 'task_status', { taskId })).status;

async function stopsAgents({ alice, open }: ButtonWalk): Promise<void> {
  for (const name of ['echo', 'twin']) {
    await builtin(alice, 'agent_spawn', { agentType: 'echo', name, wait_s: 30 });
  }
  await show(open, 'Agents');
  await open.page.getByRole('button', { name: /^echo@/ }).click();
  const panel = open.page.getByRole('dialog');
  const line = await commandIn(panel, 'starling agent stop');
  await press(panel, 'Stop', 'Stop it now?');
  await typed(alice, line, { echo: 'twin' });
  for (const agentId of ['echo', 'twin']) {
    await eventually(
      `${agentId} is stopped`,
      () => builtin<AgentInfoResult>(alice, 'agent_info', { agentId }),
      ({ status }) => status === 'stopped',
    );
  }
  await open.page.keyboard.press('Escape');
}

async function endsTasks({ alice, open }: ButtonWalk): Promise<void> {
  const given = async (): Promise<string> =>
    (await ok(alice, 'task', 'run', 'x', '--need', 'nobody-has', '--detach')).trim();
  const [one, other] = [await given(), await given()];
  await show(open, 'Tasks');
  await open.page.getByRole('button', { name: `…${one.slice(-8)}` }).click();
  const panel = open.page.getByRole('dialog');
  const cancel = await commandIn(panel, 'starling task cancel');
  await press(panel, 'Cancel', 'Cancel it now?');
  await typed(alice, cancel, { [one]: other });
  for (const id of [one, other]) {
    await eventually(
      'it is cancelled',
      () => statusOf(alice, id),
      (state) => state === 'cancelled',
    );
  }
  const retry = await commandIn(panel, 'starling task retry');
  await press(panel, 'Try again');
  await typed(alice, retry, { [one]: other });
  for (const id of [one, other]) {
    await eventually(
      'it waits again',
      () => statusOf(alice, id),
      (state) => state === 'bidding',
    );
  }
  expect(await typed(alice, await commandIn(panel, 'starling task info'))).toContain('nobody-has');
  await open.page.keyboard.press('Escape');
  for (const id of [one, other]) await ok(alice, 'task', 'cancel', id);
}

async function takesWritesBack({ alice, open }: ButtonWalk): Promise<void> {
  await ok(alice, 'board', 'create', 'undone');
  for (const key of ['one', 'other']) {
    for (const value of ['1', '2']) await ok(alice, 'board', 'set', 'undone', key, value);
  }
  const valueOf = (key: string): Promise<string> => ok(alice, 'board', 'get', 'undone', key);
  await show(open, 'Boards');
  const { page } = open;
  await page.getByRole('combobox').selectOption('undone');
  const row = page.getByRole('table', { name: 'Entries of the board' }).locator('tr', {
    has: page.locator('b', { hasText: /^one$/ }),
  });
  await press(row, 'Undo', 'Write what was before?');
  const line = await commandIn(page.locator('main'), 'starling board undo');
  expect(line).toBe('starling board undo undone <key>');
  await typed(alice, line, { '<key>': 'other' });
  for (const key of ['one', 'other']) {
    await eventually(
      `${key} is as before`,
      () => valueOf(key),
      (value) => value.trim() === '1',
    );
  }
}

async function answersQuestions({ alice, bob, open }: ButtonWalk): Promise<void> {
  await ok(alice, 'grant', 'create', 'bob', '--tool', 'toolbox/add', '--needs-approval');
  const { page } = open;
  const sum = (a: string) =>
    bob.run(['call', 'alice__toolbox__add', '--arg', `a=${a}`, '--arg', 'b=2']);
  const first = sum('11');
  await show(open, 'Approvals');
  await page.getByText('{"a":11,"b":2}').waitFor();
  await press(page.locator('main'), 'Deny');
  const byButton = await first;
  const second = sum('12');
  await page.getByText('{"a":12,"b":2}').waitFor();
  await typed(alice, await commandIn(page.locator('main'), 'starling approvals deny'));
  expect([byButton.code, (await second).code]).toEqual([1, 1]);
}

async function asksTheSame({ alice, open }: ButtonWalk): Promise<void> {
  const { page } = open;
  await show(open, 'Tools');
  await page.getByRole('button', { name: 'toolbox__add', exact: true }).click();
  const panel = page.getByRole('dialog');
  await panel.getByLabel(/^a/).fill('20');
  await panel.getByLabel(/^b/).fill('22');
  const call = await commandIn(panel, 'starling call');
  await press(panel, 'Call it');
  await panel.locator('pre', { hasText: '42' }).waitFor();
  expect(await typed(alice, call)).toContain('42');
  await page.keyboard.press('Escape');
  await show(open, 'Audit');
  const verify = await commandIn(page.locator('main'), 'starling audit verify');
  await press(page.locator('main'), 'Verify');
  await page.getByText('it holds').waitFor();
  expect(await typed(alice, verify)).toContain('the record holds');
  await show(open, 'Grants');
  await page.getByLabel('who', { exact: true }).fill('bob');
  await page.getByLabel('what', { exact: true }).fill('toolbox/no-such-tool');
  const explain = await commandIn(page.locator('main'), 'starling policy explain');
  await press(page.locator('main'), 'May they?');
  await page.getByRole('heading', { name: /^no .*bob.*tool:toolbox\/no-such-tool/ }).waitFor();
  expect(await typed(alice, explain)).toMatch(/^no: .*bob/);
}

/** All, by what they show. */
export const buttonWalks: Readonly<Record<string, (walk: ButtonWalk) => Promise<void>>> = {
  'stops an agent': stopsAgents,
  'cancels a task, and tries it again': endsTasks,
  'takes a write back': takesWritesBack,
  'answers what waits for a person': answersQuestions,
  'calls a tool, verifies the record, and asks who may do what': asksTheSame,
};
