/** Revoking while a session streams: three processes, the owner two hands away from who calls. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import type { AuditQueryResult } from '../../../src/builtin/index.ts';
import { attach } from '../callers.ts';
import type { Caller, Era, Said, Way } from '../callers.ts';
import {
  SERVERS,
  builtin,
  eventually,
  grantList,
  grantTo,
  handOn,
  revoke,
  sees,
  ticketOf,
  useWorld,
} from '../support.ts';

const world = useWorld('file');
/** What a person may have to wait for, from the answer of the command on. */
/** Round trips to the owner in which what was on its way would have come. */
const QUIET_ROUNDS = 10;

let alice: NodeProcess;
let bob: NodeProcess;
let carol: NodeProcess;

beforeAll(async () => {
  const talks = SERVERS.fixture('talks.mjs');
  alice = await world.start('alice', { config: { mcpServers: { talks, other: talks } } });
  bob = await world.start('bob', { args: ['--join', alice.up.ticket ?? ''] });
  carol = await world.start('carol', { args: ['--join', await ticketOf(bob)] });
  await Promise.all([
    sees(alice, [bob, carol]),
    sees(bob, [alice, carol]),
    sees(carol, [alice, bob]),
  ]);
});

const isOf =
  (method: string) =>
  (said: Said): boolean =>
    said.method === method;

async function client(era: Era, way: Way): Promise<Caller> {
  const caller = await attach(carol, { era, way });
  world.defer(() => caller.close());
  return caller;
}

/** Hands `id`, which bob got from alice, on to carol. */
async function delegate(id: string): Promise<string> {
  await eventually(
    'bob has it',
    () => grantList(bob),
    ({ grants }) => grants.some((grant) => grant.id === id),
  );
  return handOn(bob, id, 'carol');
}

const listed = (caller: Caller, name: string, isListed = true): Promise<unknown> =>
  eventually(
    `${name} is ${isListed ? '' : 'not '}listed`,
    () => caller.ask('tools/list'),
    ({ tools }) =>
      (tools as readonly { name: string }[]).some((it) => it.name === name) === isListed,
  );

interface Stream {
  /** Rejects with why it ended; never resolves. */
  readonly ended: Promise<unknown>;
  readonly progress: () => number;
}

/** Begins a call that streams, and waits until it does. */
async function streamOf(caller: Caller, name: string): Promise<Stream> {
  let progress = 0;
  let begun = (): void => undefined;
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const ended = caller
    .ask(
      'tools/call',
      { name, _meta: { 'io.modelcontextprotocol/logLevel': 'info' } },
      {
        onprogress() {
          progress += 1;
          if (progress > 3) begun();
        },
      },
    )
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  await beginning;
  return { ended, progress: () => progress };
}

/** Revokes, and says why the stream ended, which by itself goes on for longer than any test. */
async function revoked(by: NodeProcess, id: string, stream: Stream): Promise<unknown> {
  await revoke(by, id);
  return stream.ended;
}

/** Nothing of `method` comes any more. */
async function quiet(caller: Caller, method: string): Promise<void> {
  const before = caller.heard.filter(isOf(method)).length;
  for (let round = 0; round < QUIET_ROUNDS; round += 1) await caller.ask('tools/list');
  expect(caller.heard.filter(isOf(method)).slice(before)).toEqual([]);
}

const ways: readonly (readonly [Era, Way])[] = [
  ['legacy', 'http'],
  ['legacy', 'stdio'],
  ['modern', 'http'],
];

describe('a call that streams when its grant is revoked', () => {
  it.each(ways)(
    'by whoever handed it on ends at once with the reason, and nothing more of it comes (%s, %s)',
    async (era, way) => {
      const root = await grantTo(alice, 'bob', { tools: ['talks/*'], max_depth: 1 });
      const link = await delegate(root);
      const other = await grantTo(alice, 'carol', { tools: ['other/note'] });
      const caller = await client(era, way);
      await listed(caller, 'alice__talks__stream');
      await listed(caller, 'alice__other__note');
      const stream = await streamOf(caller, 'alice__talks__stream');
      await eventually(
        'it logs',
        async () => caller.heard.filter(isOf('notifications/message')).length,
        (count) => count > 3,
      );

      const error = await revoked(bob, link, stream);
      expect(error).toMatchObject({
        message: expect.stringMatching(/carol .*may not .*alice|revoked|no valid grant/) as string,
        data: expect.objectContaining({ code: 'STARLING_CALL_REFUSED' }) as object,
      });
      await quiet(caller, 'notifications/progress');
      await quiet(caller, 'notifications/message');

      // The session lives on for what is still granted, and for that alone.
      const again = caller.ask('tools/call', { name: 'alice__talks__note' });
      await expect(again).rejects.toMatchObject({ data: { code: 'STARLING_CALL_REFUSED' } });
      const note = await caller.ask('tools/call', { name: 'alice__other__note' });
      expect(JSON.stringify(note)).toContain('noted');
      await listed(caller, 'alice__talks__stream', false);
      await revoke(alice, root);
      await revoke(alice, other);
    },
  );

  it('by the owner, at the root of the chain, ends likewise', async () => {
    const root = await grantTo(alice, 'bob', { tools: ['talks/*'], max_depth: 1 });
    await delegate(root);
    const caller = await client('legacy', 'http');
    await listed(caller, 'alice__talks__stream');
    const stream = await streamOf(caller, 'alice__talks__stream');
    expect(await revoked(alice, root, stream)).toMatchObject({
      data: { code: 'STARLING_CALL_REFUSED' },
    });
    await quiet(caller, 'notifications/message');
    await listed(caller, 'alice__talks__stream', false);
    const newest = await eventually(
      'it is in the record',
      async () => {
        const query = { outcome: 'cancelled', limit: 1 };
        const { entries } = await builtin<AuditQueryResult>(alice, 'audit_query', query);
        return JSON.stringify(entries);
      },
      (text) => text.includes('is valid any more'),
    );
    expect(newest).toContain('tool:talks/stream');
  });

  it('goes on when another grant covers it, and ends with that one', async () => {
    const wide = await grantTo(alice, 'carol', { tools: ['talks/*'] });
    const narrow = await grantTo(alice, 'carol', {
      tools: ['talks/stream'],
      args: { path: { paths: ['/srv/docs/**'] } },
    });
    const bare = await grantTo(alice, 'carol', { tools: ['talks/str*'] });
    const caller = await client('legacy', 'http');
    await listed(caller, 'alice__talks__stream');
    const stream = await streamOf(caller, 'alice__talks__stream');
    await revoke(alice, wide);
    const before = stream.progress();
    await eventually(
      'it goes on',
      async () => stream.progress(),
      (now) => now > before + 5,
    );
    // What is left is for other arguments than the call has.
    expect(await revoked(alice, bare, stream)).toMatchObject({
      data: { code: 'STARLING_CALL_REFUSED' },
    });
    await revoke(alice, narrow);
  });
});
