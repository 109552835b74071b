/** What pages of the dashboard show of what goes on at the node: each walk makes something real, and looks for it. */
import type { Locator } from 'playwright-core';
import { expect } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import type { AgentInboxResult } from '../../../src/agents/types.ts';
import type { GrantListResult } from '../../../src/index.ts';
import { CLIENT_IDS } from '../../../src/cli/client-files/mcp-clients.ts';
import type { ButtonWalk } from './buttons.ts';
import { isLong } from '../../long/extent.ts';
import { builtin, eventually, grantTo, handOn, ok } from '../support.ts';
import { axe } from './browser.ts';
import type { Watched } from './browser.ts';
import { show } from './dashboard-window.ts';

/** What a walk has: beside the windows and nodes of the buttons the page of bob, and eve. */
export interface PageWalk extends ButtonWalk {
  readonly far: Watched;
  readonly eve: NodeProcess;
}

const table = (place: Watched['page'] | Locator, name: string): Locator =>
  place.getByRole('table', { name });

/** Opens what a button of a page shows; gives the panel. */
async function panelOf({ page }: Watched, name: string | RegExp): Promise<Locator> {
  await page.getByRole('button', { name, exact: true }).first().click();
  const panel = page.getByRole('dialog');
  await panel.waitFor();
  return panel;
}

/** Answers what an agent that a person has announced is asked. */
async function answers(node: NodeProcess, name: string, verdict: string): Promise<void> {
  const { messages } = await eventually(
    `${name} is asked`,
    () => builtin<AgentInboxResult>(node, 'agent_inbox', { name, timeout_s: 5 }),
    (inbox) => inbox.messages.length > 0,
  );
  const [{ id: inReplyTo } = { id: '' }] = messages;
  const message = { verdict, confidence: 0.9 };
  await builtin(node, 'agent_message', { type: 'response', inReplyTo, message });
}

/** Two agents of a swarm, who vote on one phase. */
async function swarmAndPlan({ alice, open }: PageWalk): Promise<void> {
  const members = ['sec-1', 'sec-2'];
  for (const name of members) {
    await ok(alice, 'agent', 'announce', name, '--capability', 'security');
  }
  await builtin(alice, 'swarm_init', {
    name: 'fix',
    topology: 'mesh',
    initialAgents: members.map((agentId) => ({ agentId })),
    config: { consensusThreshold: 0.7 },
  });
  await show(open, 'Swarms');
  const swarm = await panelOf(open, 'fix');
  await swarm.getByText('sec-1@alice → sec-2@alice').waitFor();
  await swarm.getByText('starling swarm status fix --edges').waitFor();
  await open.page.keyboard.press('Escape');

  const { taskId } = await builtin<{ readonly taskId: string }>(alice, 'task_orchestrate', {
    swarmId: 'fix',
    task: {
      description: 'look for holes',
      requiredCapabilities: ['security'],
      parallelism: 2,
      consensusRequired: true,
    },
    execution: { resultAggregation: 'majority_vote' },
  });
  await Promise.all(members.map((name) => answers(alice, name, 'no hole')));
  await show(open, 'Tasks');
  await open.page.getByRole('cell', { name: '1 of 1 phase done' }).waitFor();
  const plan = await panelOf(open, `…${taskId.slice(-8)}`);
  await plan.getByText('look for holes').waitFor();
  await expect.poll(() => plan.locator('.phases svg.meter rect.good').count()).toBe(1);
  const attempts = plan.getByRole('list', { name: 'attempts of security' });
  const ballots = plan.getByRole('list', { name: 'ballots' });
  for (const list of [attempts, ballots]) {
    for (const name of members) await list.getByText(`${name}@alice`).waitFor();
  }
  await expect.poll(() => ballots.getByText('no hole').count()).toBe(members.length);
  expect(await axe(open)).toEqual([]);
  // The terminal gives a plan anew by its words alone, and so does no button.
  expect(await plan.getByRole('button', { name: 'Try again' }).count()).toBe(0);
  await open.page.keyboard.press('Escape');
}

async function boardHistory({ alice, open }: PageWalk): Promise<void> {
  await ok(alice, 'board', 'create', 'story');
  for (const value of ['"once"', '"twice"']) await ok(alice, 'board', 'set', 'story', 'key', value);
  await ok(alice, 'board', 'delete', 'story', 'key');
  await show(open, 'Boards');
  await open.page.getByRole('combobox').selectOption('story');
  const changes = table(open.page, 'Changes of the board');
  for (const value of ['"once"', '"twice"', 'deleted']) {
    await changes.getByRole('cell', { name: value, exact: true }).waitFor();
  }
  await open.page.getByText('starling board history story').waitFor();
}

async function budgetOfNodes({ alice, open }: PageWalk): Promise<void> {
  await ok(alice, 'budget', 'create', 'reads', '--limit', '100calls', '--share', 'bob=20calls');
  await show(open, 'Budgets');
  const nodes = table(open.page, 'Rights of nodes in reads');
  for (const name of ['alice', 'bob']) await nodes.getByRole('cell', { name }).first().waitFor();
  await open.page
    .getByRole('img', { name: /0 calls spent and 0 calls held of 100 calls/ })
    .waitFor();
  await open.page.getByText('starling budget show reads').waitFor();
}

/** A grant that bob hands on stands on the one that he has of alice. */
async function chainOfGrants({ alice, bob, far }: PageWalk): Promise<void> {
  const id = await grantTo(alice, 'bob', { tools: ['toolbox/fail'], max_depth: 1 });
  await eventually(
    'bob has the grant',
    () => builtin<GrantListResult>(bob, 'grant_list'),
    ({ grants }) => grants.some((grant) => grant.id === id),
  );
  const handed = await handOn(bob, id, 'eve');
  await show(far, 'Grants');
  const panel = await panelOf(far, `…${handed.slice(-8)}`);
  const links = panel.getByRole('listitem');
  await links.filter({ hasText: /^alice → bob/ }).waitFor();
  await links.filter({ hasText: /^bob → eve/ }).waitFor();
  await panel.getByText(`starling grant show ${handed.slice(0, 8)}`).waitFor();
  await far.page.keyboard.press('Escape');
}

/** Keys, secrets and the policy are shown, and nothing there changes them. */
async function keysAndPolicy({ alice, open }: PageWalk): Promise<void> {
  const made = JSON.parse(
    await ok(alice, 'key', 'create', 'ci', '--scope', 'tool:toolbox/*', '--json'),
  ) as { readonly key: string };
  const value = 'hunter2hunter2hunter2';
  await builtin(alice, 'secret_set', { name: 'VAULT', value, blind: 'x'.repeat(16) });
  await show(open, 'Grants');
  const { page } = open;
  const keys = table(page, 'API keys');
  await keys.getByRole('cell', { name: 'tool:toolbox/*' }).waitFor();
  await table(page, 'Secrets').getByRole('cell', { name: 'VAULT' }).waitFor();
  await page.getByText('the shipped rest').click();
  await table(page, 'What the shipped policy says')
    .getByText('zones.local.trust')
    .first()
    .waitFor();
  if (isLong) expect(await axe(open)).toEqual([]);
  const text = await page.locator('main').innerText();
  for (const secret of [made.key, value]) expect(text).not.toContain(secret);
  const buttons = await page.locator('main').getByRole('button').allInnerTexts();
  const plain = /^(?:copy|copied|May they\?|….{8})$/;
  expect(buttons.filter((button) => !plain.test(button))).toEqual([]);
}

async function filteredCalls({ alice, open }: PageWalk): Promise<void> {
  await ok(alice, 'call', 'toolbox__add', '--arg', 'a=1', '--arg', 'b=1');
  await ok(alice, 'call', 'toolbox__echo', '--arg', 'message=hello');
  await show(open, 'Calls');
  const calls = table(open.page, 'Calls, newest first');
  const of = (tool: string): Promise<number> =>
    calls.getByRole('cell', { name: `tool:toolbox/${tool}`, exact: true }).count();
  await expect.poll(() => of('echo')).toBeGreaterThan(0);
  await open.page.getByLabel('tool or server').fill('toolbox/add');
  await expect.poll(() => of('echo')).toBe(0);
  await expect.poll(() => of('add')).toBeGreaterThan(0);
  await calls.getByText('starling call toolbox__add').first().waitFor();
  await open.page.getByLabel('how it ended').selectOption('timeout');
  await open.page.getByText('No such call is on record.').waitFor();
}

async function clientsToAttach({ open }: PageWalk): Promise<void> {
  await show(open, 'Tools');
  const commands = await open.page.locator('.clients .command code').allInnerTexts();
  expect(commands).toEqual(CLIENT_IDS.map((id) => `starling connect ${id}`));
}

async function modelsInUse({ alice, open }: PageWalk): Promise<void> {
  await ok(alice, 'llm', 'ask', 'Why is the sky blue?', '--model', 'gpu/qwen');
  await show(open, 'Models');
  const used = table(open.page, 'Use of models, the last used first');
  await used.getByRole('cell', { name: 'gpu/qwen' }).first().waitFor();
  const columns = await used.getByRole('columnheader').allInnerTexts();
  expect(columns).toEqual(
    expect.arrayContaining(['calls', 'tokens', 'cost', 'first byte', 'whole']),
  );
  await open.page.getByText('starling llm stats').waitFor();
}

/** All, by what they show. */
export const pageWalks: Readonly<Record<string, (walk: PageWalk) => Promise<void>>> = {
  'who of a swarm may write to whom, and the phases, attempts and ballots of a plan': swarmAndPlan,
  'what was written to a board, and by whom': boardHistory,
  'what a budget has, and the rights of each node in it': budgetOfNodes,
  'the chain that a grant stands on': chainOfGrants,
  'keys, secrets and the policy, which nothing there changes': keysAndPolicy,
  'the calls that a filter lets through, with the command of each': filteredCalls,
  'how each client is attached': clientsToAttach,
  'what went through models': modelsInUse,
};
