/**
 * Conversations of agents, over real boards between nodes: what is kept, who is shown what, and that nothing can be read once
 * a conversation is deleted.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { createContexts } from '../../src/contexts/index.ts';
import type { Contexts, ContextOf } from '../../src/contexts/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { Did } from '../../src/core/index.ts';
import { boxOpenerOf, createIdentity, sealerOf } from '../../src/identity/index.ts';
import { calm } from '../blackboard/hub.ts';
import { makeMesh } from '../blackboard/support.ts';
import type { Member, Mesh } from '../blackboard/support.ts';
import { memoryTable } from '../grants/memory-table.ts';

const NAMES = ['ann', 'bob', 'cyd'] as const;
const SEEDS = new Map(NAMES.map((name, at) => [name, Buffer.alloc(32, at + 1)]));
const SAID = 'the heron sleeps at noon';
/** Tokens of a model that takes all that an agent is reminded of. */
const WINDOW = 200_000;

interface Node {
  readonly contexts: Contexts;
  readonly member: Member;
  readonly did: Did;
  readonly rows: Map<string, Uint8Array>;
  readonly lines: Map<string, Uint8Array>;
}

let mesh: Mesh;
afterEach(() => mesh.stop());

async function arranged(): Promise<Readonly<Record<(typeof NAMES)[number], Node>>> {
  const keys = new Map(
    NAMES.map((name) => {
      const identity = createIdentity(SEEDS.get(name) ?? Buffer.alloc(32));
      return [name, identity] as const;
    }),
  );
  mesh = await makeMesh(NAMES, {}, keys);
  mesh.connectAll();
  await calm();
  const nodes = NAMES.map((name, at) => {
    const member = mesh.members[at] ?? expect.fail('no member');
    const did = keys.get(name)?.did ?? expect.fail('no key');
    const [rows, lines] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()];
    const contexts = openAt(name, member, rows, lines);
    return [name, { contexts, member, did, rows, lines }] as const;
  });
  return Object.fromEntries(nodes) as Record<(typeof NAMES)[number], Node>;
}

function openAt(
  name: (typeof NAMES)[number],
  member: Member,
  rows: Map<string, Uint8Array>,
  lines: Map<string, Uint8Array>,
): Contexts {
  const identity = createIdentity(SEEDS.get(name) ?? Buffer.alloc(32));
  return createContexts({
    blackboard: member.blackboard,
    table: memoryTable(rows),
    lines: memoryTable(lines),
    sealer: sealerOf(identity, 'contexts'),
    openBox: boxOpenerOf(identity),
    self: identity.did,
    isHere: () => true,
    models: () => expect.fail('nothing is compressed here'),
    messageBytes: 100_000,
    clock: mesh.clock,
    logger: silentLogger,
  });
}

const of: ContextOf = {
  agent: 'clerk',
  owner: 'operator',
  from: 'scout@bob',
  sender: 'did:key:bob',
  session: 'birds',
};

async function talk(contexts: Contexts, times: number, about = of): Promise<string> {
  for (let at = 1; at <= times; at += 1) {
    mesh.clock.advance(1000);
    const message = `m${at}`;
    const said = { message, question: `${SAID} ${at}?`, answer: `yes ${at}`, zone: 'local' };
    await contexts.keep(about, said as never);
  }
  const [{ id } = { id: '' }] = await contexts.list();
  return id;
}

/** Lets news go round: frames, repairs, and what these set off. */
async function settle(): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    await calm();
    mesh.clock.advance(3000);
    await calm();
  }
}

/** What lies on the boards that are shown to a node. */
async function sealedAt({ blackboard }: Member): Promise<readonly string[]> {
  const boards = await Promise.all(blackboard.names().map((name) => blackboard.board(name)));
  return boards.flatMap((board) => board.entries().map(({ value }) => String(value)));
}

const textsOf = async (contexts: Contexts, id: string): Promise<readonly string[]> =>
  (await contexts.show(id)).said.map(({ text }) => text);
const refused = { code: 'STARLING_CONTEXT_UNKNOWN' };

describe('a conversation', () => {
  it('goes on after a restart, with each message once, sealed on the disk', async () => {
    const { ann } = await arranged();
    await talk(ann.contexts, 2);
    await talk(ann.contexts, 2);
    const again = openAt('ann', ann.member, ann.rows, ann.lines);
    await again.start();
    const { said } = await again.recall(of, WINDOW);
    expect(said.map(({ role, text }) => [role, text])).toEqual([
      ['user', `${SAID} 1?`],
      ['assistant', 'yes 1'],
      ['user', `${SAID} 2?`],
      ['assistant', 'yes 2'],
    ]);
    const disk = Buffer.concat([...ann.rows.values(), ...ann.lines.values()]).toString('latin1');
    expect(disk).not.toContain('heron');
    expect(disk).not.toContain('scout@bob');
  });

  it('is another one for another sender, however that one calls it', async () => {
    const { ann } = await arranged();
    await talk(ann.contexts, 1);
    expect(await ann.contexts.recall({ ...of, from: 'mallory@bob' }, WINDOW)).toEqual({ said: [] });
    expect(await ann.contexts.recall({ ...of, agent: 'other' }, WINDOW)).toEqual({ said: [] });
    // The same names, which another node, program or spawner has got since.
    expect(await ann.contexts.recall({ ...of, sender: 'did:key:mallory' }, WINDOW)).toEqual({
      said: [],
    });
    expect(await ann.contexts.recall({ ...of, owner: 'client:mallory' }, WINDOW)).toEqual({
      said: [],
    });
  });

  it('reminds its agent of what there is room for, behind the summary of the rest', async () => {
    const { ann } = await arranged();
    const id = await talk(ann.contexts, 3);
    const read = await ann.contexts.unsummarised(id);
    const { lines } = read;
    expect(lines.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5, 6]);
    const summary = { text: 'herons sleep', first: 1, last: 4, model: 'm', zone: 'external' };
    await ann.contexts.summarised(id, summary as never, read);
    const second = ann.contexts.summarised(id, summary as never, read);
    await expect(second).rejects.toMatchObject({ code: 'STARLING_USAGE' });
    const recalled = await ann.contexts.recall(of, WINDOW);
    expect(recalled.summary).toMatchObject(summary);
    expect(recalled.said.map(({ n }) => n)).toEqual([5, 6]);
    // The lines that it stands for are kept.
    expect(await textsOf(ann.contexts, id)).toHaveLength(6);
    const message = { message: 'big', question: 'x'.repeat(99_999), answer: 'ok', zone: 'local' };
    for (const n of [1, 2, 3]) {
      await ann.contexts.keep(of, { ...message, message: `big${n}` } as never);
    }
    expect((await ann.contexts.recall(of, WINDOW)).said.map(({ n }) => n)).toEqual([10, 11, 12]);
  });

  it('gives way to newer ones of its agent, which senders can make as many of as they like', async () => {
    const { ann } = await arranged();
    for (let at = 0; at < 105; at += 1) await talk(ann.contexts, 1, { ...of, session: `s${at}` });
    expect(await ann.contexts.list()).toHaveLength(100);
    expect(ann.lines.size).toBe(200);
    expect(await ann.contexts.recall({ ...of, session: 's0' }, WINDOW)).toEqual({ said: [] });
  });

  it('keeps so many lines, and the oldest go', async () => {
    const { ann } = await arranged();
    const id = await talk(ann.contexts, 260);
    expect(ann.lines.size).toBe(500);
    expect((await ann.contexts.show(id)).said.at(0)?.n).toBe(21);
  });
});

describe('a conversation that is shown to a node', () => {
  it('is shown whole, or its last lines, or its summary, to that node alone, and goes on', async () => {
    const { ann, bob, cyd } = await arranged();
    const id = await talk(ann.contexts, 2);
    await expect(ann.contexts.share(id, cyd.did, 'summary')).rejects.toThrow('no summary');
    await ann.contexts.share(id, bob.did, 'full');
    await ann.contexts.share(id, cyd.did, { last: 1 });
    await settle();
    expect(await textsOf(bob.contexts, id)).toHaveLength(4);
    expect(await textsOf(cyd.contexts, id)).toEqual(['yes 2']);
    await talk(ann.contexts, 3);
    await settle();
    expect(await textsOf(bob.contexts, id)).toHaveLength(6);
    expect(await textsOf(cyd.contexts, id)).toEqual(['yes 3']);
    const summary = { text: 'herons sleep', first: 1, last: 6, model: 'm', zone: 'local' };
    await ann.contexts.summarised(id, summary as never, await ann.contexts.unsummarised(id));
    await ann.contexts.share(id, cyd.did, 'summary');
    await settle();
    expect(await cyd.contexts.show(id)).toMatchObject({ by: ann.did, said: [], summary });
    await ann.contexts.share(id, cyd.did, 'none');
    await settle();
    await expect(cyd.contexts.show(id)).rejects.toMatchObject(refused);
    expect(await textsOf(bob.contexts, id)).toHaveLength(6);
  });

  it('lies nowhere in words that can be read, and on no disk of others', async () => {
    const { ann, bob, cyd } = await arranged();
    const id = await talk(ann.contexts, 1);
    await ann.contexts.share(id, bob.did, 'full');
    await settle();
    for (const { member } of [ann, bob, cyd]) {
      const disk = [...member.table.journal, ...member.history.journal];
      expect(JSON.stringify(disk)).not.toContain('heron');
    }
    expect(cyd.member.blackboard.names()).toEqual([]);
    expect(await cyd.contexts.list()).toEqual([]);
    // What another node is shown is not its own to end or to pass on.
    await expect(bob.contexts.delete(id)).rejects.toMatchObject({
      ...refused,
      message: `this node only reads '${id}': it belongs to the node ${ann.did}, which shows it`,
    });
    await expect(bob.contexts.share(id, cyd.did, 'full')).rejects.toMatchObject(refused);
  });

  it('is gone everywhere once it is deleted, from who was away when that one comes back', async () => {
    const { ann, bob, cyd } = await arranged();
    const id = await talk(ann.contexts, 2);
    await ann.contexts.share(id, bob.did, 'full');
    await ann.contexts.share(id, cyd.did, 'full');
    await settle();
    expect(await textsOf(cyd.contexts, id)).toHaveLength(4);
    const sealed = await sealedAt(bob.member);
    expect(sealed).toHaveLength(6);
    mesh.hub.cut(ann.member.id, cyd.member.id);
    mesh.hub.cut(bob.member.id, cyd.member.id);
    const { holders } = await ann.contexts.delete(id);
    expect(holders.map(({ did }) => did)).toEqual([bob.did, cyd.did]);
    expect([ann.rows.size, ann.lines.size]).toEqual([0, 0]);
    await settle();
    await expect(bob.contexts.show(id)).rejects.toMatchObject(refused);
    expect(await textsOf(cyd.contexts, id)).toHaveLength(4);
    mesh.hub.connect(ann.member.id, cyd.member.id);
    mesh.heartbeats();
    await settle();
    for (const { contexts, member } of [ann, bob, cyd]) {
      await expect(contexts.show(id)).rejects.toMatchObject(refused);
      for (const name of member.blackboard.names()) {
        const board = await member.blackboard.board(name);
        expect(board.entries()).toEqual([]);
        expect((await board.history()).lines).toEqual([]);
      }
      expect(member.history.journal).toEqual([]);
    }
    // Not even what could be opened with the key, or the key itself, which lay closed for its node.
    for (const { member } of [ann, bob, cyd]) {
      const disk = Buffer.concat([...member.table.rows.values()]).toString('latin1');
      expect(sealed.filter((text) => disk.includes(text))).toEqual([]);
    }
  });

  it('stays deleted where its sender goes on before a board has taken the end', async () => {
    const { ann, bob } = await arranged();
    const id = await talk(ann.contexts, 1);
    await ann.contexts.share(id, bob.did, 'full');
    await settle();
    let isBroken = true;
    const { blackboard } = ann.member;
    const flaky = Object.assign(Object.create(blackboard), {
      names: () => blackboard.names(),
      board: (name: string) =>
        isBroken ? Promise.reject(new Error('no disk')) : blackboard.board(name),
    }) as Member['blackboard'];
    const failing = openAt('ann', { ...ann.member, blackboard: flaky }, ann.rows, ann.lines);
    await failing.start();
    await expect(failing.delete(id)).rejects.toThrow('no disk');
    const said = { message: 'm9', question: 'and now?', answer: 'now', zone: 'local' } as const;
    await expect(failing.keep(of, said)).rejects.toThrow('no disk');
    isBroken = false;
    await failing.keep(of, said);
    await settle();
    await expect(bob.contexts.show(id)).rejects.toMatchObject(refused);
    expect(await failing.show(id)).toMatchObject({ lines: 2, shares: [] });
  });

  it('takes no summary that a model was still writing into what its sender says next', async () => {
    const { ann } = await arranged();
    const id = await talk(ann.contexts, 2);
    const read = await ann.contexts.unsummarised(id);
    await ann.contexts.delete(id);
    await talk(ann.contexts, 1);
    const summary = { text: 'herons sleep', first: 1, last: 4, model: 'm', zone: 'local' };
    const late = ann.contexts.summarised(id, summary as never, read);
    await expect(late).rejects.toMatchObject(refused);
    expect(await ann.contexts.recall(of, WINDOW)).not.toHaveProperty('summary');
  });

  it('stays deleted where the node ended in between', async () => {
    const { ann, bob } = await arranged();
    const id = await talk(ann.contexts, 1);
    await ann.contexts.share(id, bob.did, 'full');
    await settle();
    // The disk takes the end of the keys, and fails at the board.
    const broken = Object.assign(Object.create(ann.member.blackboard), {
      names: () => ann.member.blackboard.names(),
      board: () => Promise.reject(new Error('no disk')),
    }) as Member['blackboard'];
    const failing = openAt('ann', { ...ann.member, blackboard: broken }, ann.rows, ann.lines);
    await failing.start();
    await expect(failing.delete(id)).rejects.toThrow('no disk');
    expect(await failing.list().catch(() => [])).toEqual([]);
    const again = openAt('ann', ann.member, ann.rows, ann.lines);
    await again.start();
    await settle();
    expect(ann.rows.size).toBe(0);
    await expect(bob.contexts.show(id)).rejects.toMatchObject(refused);
  });

  it('is not what a hostile node puts on its board under the same id', async () => {
    const { ann, bob } = await arranged();
    const id = await talk(ann.contexts, 1);
    const name = `contexts.${ann.did.slice(-16)}`;
    const board = await bob.member.blackboard.board(name);
    await board.create({ open: false });
    await board.grant({ to: ann.did, ability: 'read' });
    await board.set(`${id}/key`, 'bm8ga2V5');
    await board.set(`${id}/about`, { agent: 'clerk' });
    await board.set('no id/key', 7);
    await settle();
    expect(await ann.contexts.list()).toHaveLength(1);
    expect(await ann.contexts.show(id)).not.toHaveProperty('by');
  });
});
