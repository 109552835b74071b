/**
 * What the tests of cut cables share: alice owns a tool, bob handed his grant of it on to carol, whose
 * client calls it. Each is a process on a host of its own.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeProcess } from '../../../sim/process.ts';
import { attach } from '../callers.ts';
import type { Caller } from '../callers.ts';
import { createTestNetwork } from './namespaces.ts';
import type { TestNetwork } from './namespaces.ts';
import { SERVERS, eventually, grantList, grantTo, handOn, sees, ticketOf } from '../support.ts';
import type { World } from '../support.ts';

/** Hosts of the test network. */
export const [ALICE, BOB, CAROL] = [1, 2, 3] as const;
/** A cut is noticed by then. */
export const CUT_MS = 90_000;
/** After a cut everybody has met again by then. */
export const HEALED_MS = 90_000;
/** Longest time of one such test. */
export const TEST_MS = 240_000;
/** Between two calls of a client that tries again and again. */
const PAUSE_MS = 50;

/** The three, and what a test does with them. */
export interface Chain {
  readonly network: TestNetwork;
  readonly alice: NodeProcess;
  readonly bob: NodeProcess;
  readonly carol: NodeProcess;
  /** Id of what bob handed on to carol. */
  readonly link: string;
  /** Has bob hand his grant on to carol once more; waits until carol's client may call, and gives the id. */
  readonly handOnAgain: () => Promise<string>;
  /** A client that is attached to carol's node, and makes one call of alice's tool. */
  readonly call: (label: string) => Promise<string>;
  /** Labels of the calls that alice's server saw. */
  readonly seen: () => Promise<readonly string[]>;
}

/** Starts the three on hosts of their own, grants, delegates, and waits until carol's client may call. */
export async function startChain(world: World): Promise<Chain> {
  const network = await createTestNetwork(3);
  world.defer(() => network.remove());
  const log = join(await world.root(), 'talks.log');
  const start = (name: string, host: number, ticket?: string): Promise<NodeProcess> =>
    world.start(name, {
      prefix: network.prefix(host),
      config: {
        listen: ['/ip4/0.0.0.0/tcp/4040'],
        ...(host === ALICE
          ? { mcpServers: { talks: SERVERS.fixture('talks.mjs', '--log', log) } }
          : {}),
      },
      ...(ticket === undefined ? {} : { env: { STARLING_JOIN: ticket } }),
    });
  const alice = await start('alice', ALICE);
  const bob = await start('bob', BOB, alice.up.ticket);
  const carol = await start('carol', CAROL, await ticketOf(bob));
  await Promise.all([
    sees(alice, [bob, carol]),
    sees(bob, [alice, carol]),
    sees(carol, [alice, bob]),
  ]);
  const root = await grantTo(alice, 'bob', { tools: ['talks/*'], max_depth: 1 });
  await eventually(
    'bob has it',
    () => grantList(bob),
    ({ grants }) => grants.some(({ id }) => id === root),
  );
  const caller = await attach(carol, { era: 'legacy', way: 'stdio' });
  world.defer(() => caller.close());
  const call = (label: string): Promise<string> => callOf(caller, label);
  const handOnAgain = async (): Promise<string> => {
    const link = await handOn(bob, root, 'carol');
    await eventually(
      'carol may call',
      () => call('first'),
      (answer) => answer === 'noted',
    );
    return link;
  };
  return {
    network,
    alice,
    bob,
    carol,
    link: await handOnAgain(),
    handOnAgain,
    call,
    seen: async () =>
      (await readFile(log, 'utf8'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as [string, { label?: string }])[1].label ?? ''),
  };
}

/** `noted`, or the code of the refusal and why. */
async function callOf(caller: Caller, label: string): Promise<string> {
  try {
    const params = { name: 'alice__talks__note', arguments: { label } };
    const { content } = await caller.ask('tools/call', params);
    return (content as readonly { text: string }[])[0]?.text ?? '';
  } catch (error) {
    const { data, message } = error as { data?: { code?: string }; message: string };
    return `${data?.code ?? 'unknown'}: ${message}`;
  }
}

/** Whether an answer of {@link Chain.call} is the guard's refusal. */
export const isRefusal = (answer: string): boolean => answer.startsWith('STARLING_CALL_REFUSED');

/** Tries again and again, close together, until it is refused. Not one try may get through. */
export async function refusedAtLast(call: (label: string) => Promise<string>): Promise<string> {
  const deadline = performance.now() + HEALED_MS;
  for (let count = 1; performance.now() < deadline; count += 1) {
    const answer = await call(`try ${count}`);
    if (isRefusal(answer)) return answer;
    if (answer === 'noted') throw new Error(`try ${count} got through`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`no refusal within ${HEALED_MS} ms`);
}
