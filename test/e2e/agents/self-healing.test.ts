/**
 * Self-healing over whole nodes: bob has a server, alice runs the built-in healer, a process of its own. A real kill, real
 * grants, a person's approvals, and a board of runbooks that nobody but alice's healer may write.
 */
import { join, resolve } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { AgentLogsResult } from '../../../src/agents/types.ts';
import type {
  ApprovalListResult,
  BoardGetResult,
  ServerStatusResult,
  ServerView,
} from '../../../src/builtin/results.ts';
import { wholeNodes } from '../../fixtures/whole-nodes.ts';
import type { Machine } from '../../fixtures/whole-nodes.ts';
import type { Incident } from '../../../src/healing/types.ts';
import { CLI, SERVERS, eventually } from '../support.ts';

const KEY = 'runbook/bob/notes/killed';
const nodes = wholeNodes('healing');

let root: string;
let alice: Machine;
let bob: Machine;
let carol: Machine;

const OF_BOB = ['server_status', 'server_logs', 'server_restart'];
const OF_BOARDS = ['board_get', 'board_set', 'board_info'];
const KINDS = {
  unconfined: true,
  kinds: {
    healer: {
      command: process.execPath,
      args: [resolve(CLI), 'agent', 'healer'],
      protocol: 'lines',
      sandbox: false,
      ownRights: true,
      tools: [
        ...OF_BOB.map((tool) => `tool:@bob/starling/${tool}`),
        ...OF_BOARDS.map((tool) => `tool:starling/${tool}`),
      ],
    },
  },
};

beforeAll(async () => {
  root = await nodes.root();
  const plain = SERVERS.fixture('plain.mjs', '--log', join(root, 'notes.log'));
  const notesServer = { ...plain, restart: 'asked', shared: true, sandbox: false };
  bob = await nodes.start(
    { name: 'bob', mcpServers: { notes: notesServer } as never },
    { ip: '10.0.0.2' },
  );
  const { ticket } = await bob.node.createTicket({ uses: 2 });
  alice = await nodes.start(
    { name: 'alice', join: ticket, agents: KINDS as never },
    { ip: '10.0.0.1' },
  );
  carol = await nodes.start({ name: 'carol', join: ticket }, { ip: '10.0.0.3' });
  await until('they see one another', async () =>
    [alice, bob, carol].every(
      ({ node }) => node.peers().filter(({ state }) => state === 'alive').length === 2,
    ),
  );
  const grant = (tools: readonly string[], more: object = {}): Promise<unknown> =>
    bob.operator.builtin('grant_create', {
      peer: 'alice',
      tools: tools.map((tool) => `starling/${tool}`),
      args: { server: { const: 'notes' } },
      ...more,
    });
  await grant(['server_status', 'server_logs']);
  await grant(['server_restart'], { approval: 'required' });
  await bob.operator.builtin('board_create', { board: 'runbooks', signed: true });
  for (const [to, ability] of [
    ['alice', 'write'],
    ['carol', 'read'],
  ] as const) {
    await bob.operator.builtin('board_grant', { board: 'runbooks', to, ability });
  }
  await until('alice has the board', async () => {
    const { boards = [] } = await alice.operator.builtin<{ boards?: string[] }>('board_list', {});
    return boards.includes('runbooks');
  });
  const right = { board: 'runbooks', to: 'client:agent:healer', ability: 'write' };
  await alice.operator.builtin('board_grant', right);
  await alice.operator.builtin('agent_spawn', {
    agentType: 'healer',
    config: {
      watch: [{ node: 'bob', server: 'notes' }],
      board: 'runbooks',
      steadyMs: 300,
      restarts: 20,
    },
    wait_s: 30,
  });
}, 90_000);

const until = (what: string, met: () => Promise<boolean>): Promise<boolean> =>
  eventually(
    what,
    () => met().catch(() => false),
    (isMet) => isMet,
  );

const notes = async (): Promise<ServerView> => {
  const { servers } = await bob.operator.builtin<ServerStatusResult>('server_status', {
    server: 'notes',
  });
  return servers[0] as ServerView;
};

async function kill(): Promise<void> {
  const { pid } = await notes();
  if (pid === undefined) throw new Error('it does not run');
  process.kill(pid, 'SIGKILL');
  await until('bob has noticed', async () => (await notes()).state === 'failed');
}

/** Answers the one question that waits at bob. */
async function answer(approve: boolean): Promise<string> {
  const waiting = await eventually(
    'a person is asked',
    () => bob.operator.builtin<ApprovalListResult>('approval_list', {}),
    ({ approvals }) => approvals.length > 0,
  );
  const [one] = waiting.approvals;
  await bob.operator.builtin('approval_answer', { id: one?.id ?? '', approve, reason: 'by hand' });
  return JSON.stringify(one);
}

const incidents = async (): Promise<readonly Incident[]> => {
  const { response } = await alice.operator.builtin<{
    response: { incidents: readonly Incident[] };
  }>('agent_message', { agentId: 'healer', type: 'query', message: 'how is it?' });
  return response.incidents;
};

const incident = (count: number): Promise<Incident | undefined> =>
  eventually(
    `incident ${count} has ended`,
    async () => (await incidents())[count - 1],
    (one) => one !== undefined,
  );

const log = async (): Promise<string> => {
  const { lines } = await alice.operator.builtin<AgentLogsResult>('agent_logs', {
    agentId: 'healer',
  });
  return lines.map(({ text }) => text).join('\n');
};

const runbook = ({ operator }: Machine): Promise<BoardGetResult> =>
  operator.builtin('board_get', { board: 'runbooks', key: KEY, writer: true });

it('a server that is killed is restarted after a yes, and how is on a board that only the healer may write', async () => {
  await until('it runs', async () => (await notes()).state === 'ready');
  await kill();
  // Nobody starts it but who may: a call finds it down.
  expect(await notes()).toMatchObject({ held: true, error: expect.stringContaining('SIGKILL') });
  expect(await answer(true)).toContain('server_restart');
  expect(await incident(1)).toMatchObject({ cause: 'killed', by: 'rules', ending: 'healed' });
  expect(await notes()).toMatchObject({ state: 'ready', held: false });
  const alices = alice.node.status().did;
  await until('bob has the entry', async () => (await runbook(bob)).entry !== null);
  expect((await runbook(bob)).entry).toMatchObject({ by: alices, value: { healed: 1 } });
  const forged = { board: 'runbooks', key: KEY, value: { healed: 9 } };
  await until('carol has the board', async () => (await runbook(carol)).entry !== null);
  await expect(carol.operator.builtin('board_set', forged)).rejects.toThrow(/may not|no right/u);
  await expect(
    carol.operator.call('bob__starling__server_restart', { server: 'notes' }),
  ).rejects.toThrow();
}, 60_000);

it('the second time the runbook is the plan, and a person is asked all the same', async () => {
  await kill();
  await answer(true);
  expect(await incident(2)).toMatchObject({ by: 'runbook', ending: 'healed' });
  expect(await log()).toContain('a runbook has mended that once: it is the plan');
  await until('it is counted', async () => {
    const { entry } = await runbook(bob);
    return (entry?.value as { healed: number } | undefined)?.healed === 2;
  });
}, 60_000);

it('when its right on the board is revoked the healer heals without a runbook, and a no is a no', async () => {
  await bob.operator.builtin('board_revoke', { board: 'runbooks', from: 'alice' });
  await until('bob holds alice to that', async () => (await runbook(bob)).writerMay === false);
  await until('alice has heard', async () => {
    const { writerMay } = await runbook(alice).catch(() => ({ writerMay: false }));
    return writerMay !== true;
  });
  await kill();
  await answer(true);
  expect(await incident(3)).toMatchObject({ by: 'rules', ending: 'healed' });
  await until('bob has the entry', async () => (await runbook(bob)).entry !== null);
  expect((await runbook(bob)).entry).toMatchObject({ value: { healed: 2 } });
  await kill();
  await answer(false);
  expect(await incident(4)).toMatchObject({
    ending: 'left',
    why: expect.stringContaining('by hand') as string,
  });
  expect(await notes()).toMatchObject({ state: 'failed' });
  // A person starts it.
  await bob.operator.builtin('server_restart', { server: 'notes' });
  expect(await notes()).toMatchObject({ state: 'ready' });
}, 60_000);
