/** Agents that a node runs, with programs that the test plays: names, messages, restarts, rights, and what is kept. */
import { afterEach, expect, it } from 'vitest';
import type { Runs } from '../../../src/agents/index.ts';
import type { AgentKind } from '../../../src/config/index.ts';
import { StarlingError } from '../../../src/core/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { kind, settle } from './programs.ts';
import { CLAUDE, CURSOR, KEY, NEVER, endStages, stage, stopped, world } from './stage.ts';

afterEach(endStages);

it('an agent of a kind is spawned, answers under its name, and says what it is bounded by', async () => {
  const one = await stage();
  const spawned = await one.spawn(OPERATOR, {
    name: 'coder',
    resources: { cpuLimit: '1' },
    config: { model: 'm' },
  });
  await settle();
  expect(spawned).toMatchObject({
    name: 'coder',
    kind: 'coder',
    capabilities: ['code'],
    tools: ['tool:files/*'],
    resources: { allocated: true, cpu: '1', enforcedBy: { cpu: 'affinity', files: 'sandbox' } },
  });
  const [program] = one.programs;
  expect(program?.init.within).toEqual(['/usr/bin/taskset', '-c', expect.any(String)]);
  expect(program?.init.server.env['AGENT_CONFIG']?.reveal()).toBe('{"model":"m"}');
  expect(one.runs.viewOf('coder')).toMatchObject({ state: 'ready', pids: [4001], restarts: 0 });
  const answer = one.send('hello', { type: 'query' });
  await settle();
  expect(one.runs.viewOf('coder')?.state).toBe('running');
  expect(program?.given[0]?.message).toMatchObject({ type: 'query', message: 'hello' });
  program?.given[0]?.answer('hi');
  await expect(answer).resolves.toMatchObject({ status: 'answered', response: 'hi' });
  await settle();
  expect(one.runs.viewOf('coder')?.state).toBe('ready');
});

it('a kind that there is not is refused with those there are, one that is wrong with why', async () => {
  const one = await stage();
  await expect(one.spawn(OPERATOR, { kind: 'poet' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_UNKNOWN',
    data: { reason: 'kind', kinds: ['coder', 'coordinator', 'odd', 'researcher'] },
  });
  await expect(one.spawn(OPERATOR, { kind: 'odd' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    message: expect.stringContaining('no') as string,
  });
  await expect(one.spawn(OPERATOR, { kind: 'constructor' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_UNKNOWN',
  });
  expect(one.programs).toEqual([]);
});

it('a process that ends is started again with the same name and inbox; what it had is given once more, a query fails', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  await one.send('build');
  await settle();
  const query = one.send('ready?', { type: 'query' });
  query.catch(() => undefined);
  one.programs[0]?.dies('exited with code 1');
  await settle();
  expect(one.runs.viewOf('coder')).toMatchObject({ state: 'failed', restarts: 1 });
  world.clock.advance(200);
  await settle();
  const [again] = one.programs[1]?.given ?? [];
  expect(again?.message).toMatchObject({ message: 'build', redelivered: true });
  again?.answer(null);
  await settle();
  expect(one.programs[1]?.given[1]?.message).toMatchObject({ message: 'ready?' });
  one.programs[1]?.dies('exited again');
  await expect(query).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
});

it.each([
  { strategy: 'one_for_one', anew: [1] },
  { strategy: 'one_for_all', anew: [0, 1, 2] },
  { strategy: 'rest_for_one', anew: [1, 2] },
] as const)(
  'when the second of three processes ends, $strategy starts $anew anew',
  async ({ strategy, anew }) => {
    const one = await stage();
    one.kinds['coder'] = kind({ strategy, restarts: 1 });
    await one.spawn(OPERATOR, { name: 'coder', replicas: 3 });
    await settle();
    const again = async (second: number): Promise<void> => {
      one.programs[second]?.dies('exited with code 1');
      await settle();
      world.clock.advance(5000);
      await settle();
    };
    await again(1);
    const closed = one.programs.slice(0, 3).map(({ isClosed }, at) => isClosed || at === 1);
    expect(closed).toEqual([0, 1, 2].map((at) => anew.some((number) => number === at)));
    expect(one.programs).toHaveLength(3 + anew.length);
    expect(one.runs.viewOf('coder')).toMatchObject({ state: 'ready', restarts: anew.length });
    const { pids } = one.runs.viewOf('coder') ?? {};
    expect(pids).toHaveLength(3);
  },
);

it('replicas 1..3 follow the queue: more at once, one less a minute, and what they deal with is not cut off', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder', replicas: { least: 1, most: 3 } });
  await settle();
  expect(one.runs.viewOf('coder')).toMatchObject({ replicas: 1, scale: '1..3', pids: [4001] });
  const more = { type: 'query', timeoutMs: 300_000 };
  const answers = Array.from({ length: 5 }, (_, at) => one.send(`job ${at}`, more));
  await settle();
  expect(one.programs).toHaveLength(3);
  expect(one.programs.map(({ given }) => given.length)).toEqual([1, 1, 1]);
  const done = async (at: number): Promise<void> => {
    const { given } = one.programs[at] ?? { given: [] };
    given.at(-1)?.answer('done');
    await settle();
  };
  for (const at of [0, 1]) await done(at);
  for (const at of [0, 1]) await done(at);
  await expect(Promise.all(answers.filter((_, at) => at !== 2))).resolves.toHaveLength(4);
  // The third is still busy with its first message: the others go, one a minute.
  for (const left of [2, 1, 1]) {
    world.clock.advance(60_000 - 1);
    await settle();
    world.clock.advance(1);
    await settle();
    expect(one.runs.viewOf('coder')?.replicas).toBe(left);
  }
  expect(one.programs.map(({ isClosed }) => isClosed)).toEqual([true, true, false]);
  await done(2);
  await expect(answers[2]).resolves.toMatchObject({ response: 'done' });
});

it('replicas 1..3 that do not come up are no more for a longer queue; they have their room; and 3..1 is refused', async () => {
  const one = await stage();
  one.failing = new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'no such program');
  await one.spawn(OPERATOR, { name: 'coder', replicas: { least: 1, most: 3 } });
  for (let at = 0; at < 4; at += 1) await one.send(`job ${at}`);
  await settle();
  expect(one.runs.viewOf('coder')).toMatchObject({ replicas: 1, pids: [] });
  const another = { name: 'other', replicas: { least: 1, most: 2 } };
  await expect(one.spawn(OPERATOR, another)).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
  });
  const turned = { name: 'other', replicas: { least: 3, most: 1 } };
  await expect(one.spawn(OPERATOR, turned)).rejects.toMatchObject({ code: 'STARLING_USAGE' });
});

it('a change of the configuration counts for what is spawned after it: what runs and is started again keeps its kind', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  const server = { ...one.kinds['coder']?.server, command: 'newer' } as AgentKind['server'] &
    object;
  one.kinds['coder'] = kind({ server, tools: [], capabilities: ['write'] });
  one.programs[0]?.dies('exited with code 1');
  await settle();
  world.clock.advance(5000);
  await settle();
  const commands = (): unknown[] => one.programs.map(({ init }) => init.server.command);
  expect(commands()).toEqual(['coder', 'coder']);
  expect(one.runs.viewOf('coder')?.tools).toEqual(['tool:files/*']);
  await one.spawn(OPERATOR, { name: 'second' });
  await settle();
  expect(commands()).toEqual(['coder', 'coder', 'newer']);
  expect(one.runs.viewOf('second')?.tools).toEqual([]);
  // After a restart of the node all have the kind of now, and no tool that it does not name.
  await one.restart();
  expect(commands().slice(3)).toEqual(['newer', 'newer']);
  expect(one.runs.viewOf('coder')?.tools).toEqual([]);
  // A kind that was taken away: its agents do not run, and the node says so.
  delete one.kinds['coder'];
  await one.restart();
  expect(one.programs).toHaveLength(5);
  expect(one.health.warnings().map(({ code }) => code)).toContain('agent-down:coder');
});

it('a kind says how often a process is started again within a minute', async () => {
  const one = await stage();
  one.kinds['coder'] = kind({ restarts: 0 });
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  one.programs[0]?.dies('exited with code 1');
  await settle();
  world.clock.advance(60_000);
  await settle();
  expect(one.programs).toHaveLength(1);
  expect(one.health.warnings()).toMatchObject([{ code: 'agent-down:coder' }]);
});

it('one that ends again and again is given up, and says so; spawned again it has its inbox', async () => {
  const one = await stage();
  one.failing = new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'no such program');
  await one.spawn(OPERATOR, { name: 'coder' });
  for (let at = 0; at < 10; at += 1) {
    await settle();
    world.clock.advance(5000);
  }
  await settle();
  expect(one.runs.viewOf('coder')).toMatchObject({ state: 'failed', restarts: 5 });
  expect(one.health.warnings()).toMatchObject([{ code: 'agent-down:coder' }]);
  await one.send('later');
  one.failing = undefined;
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  expect(one.programs[0]?.given[0]?.message).toMatchObject({ message: 'later' });
  expect(one.health.warnings()).toEqual([]);
});

it('agents run again when the node does, but not those that were stopped; what was acknowledged is not lost', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await one.spawn(OPERATOR, { name: 'other' });
  await settle();
  // Who stops it is told as what it is run again, whether or not it ran still.
  for (let time = 0; time < 2; time += 1) {
    const ended = await one.runs.end(OPERATOR, 'other', 'stop');
    expect(ended).toMatchObject({ status: 'stopped', kind: 'coder' });
  }
  await one.send('one');
  await one.send('two');
  await settle();
  expect(one.programs[0]?.given).toHaveLength(1);
  await one.restart();
  expect(one.programs).toHaveLength(3);
  const third = one.programs[2];
  third?.given[0]?.answer(null);
  await settle();
  expect(third?.given.map(({ message }) => message['message'])).toEqual(['one', 'two']);
});

it('messages are dealt with by as many processes as there are, and what has been answered does not come again', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder', replicas: 2 });
  await settle();
  await Promise.all(['a', 'b', 'c'].map((text) => one.send(text)));
  await settle();
  expect(one.programs.map(({ given }) => given.length)).toEqual([1, 1]);
  for (const { given } of one.programs) given[0]?.answer(null);
  await settle();
  const all = one.programs.flatMap(({ given }) => given.map(({ message }) => message['message']));
  expect(all.toSorted()).toEqual(['a', 'b', 'c']);
});

it('the policy counts the processes of whoever spawns: those that run, and those that are wanted', async () => {
  const one = await stage({ max: 100 });
  await one.spawn(CURSOR, { replicas: 2 });
  await one.spawn(CURSOR, { replicas: 2 });
  await expect(one.spawn(CURSOR)).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
  await one.spawn(OPERATOR);
});

it('no more processes run than the operator allows, of all agents and of one', async () => {
  const one = await stage({ max: 3 });
  await expect(one.spawn(OPERATOR, { replicas: 4 })).rejects.toMatchObject({
    data: { limit: 'agents.kinds.coder.maxReplicas' },
  });
  await one.spawn(OPERATOR, { replicas: 2 });
  await expect(one.spawn(OPERATOR, { replicas: 2 })).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
    data: { limit: 'agents.max' },
  });
  await one.spawn(OPERATOR);
  await settle();
  expect(one.programs).toHaveLength(3);
});

it("an agent has less than whoever spawns it, stays that one's, and ends with it", async () => {
  const one = await stage();
  await expect(one.spawn(CLAUDE)).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
  await expect(one.spawn(KEY, { tools: ['tool:files/*'] })).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
  });
  const { tools, withheld } = await one.spawn(KEY, { name: 'coder' });
  expect({ tools, withheld }).toEqual({ tools: [], withheld: ['tool:files/*'] });
  await expect(one.spawn(CURSOR, { name: 'coder' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_TAKEN',
  });
  await expect(one.runs.end(CURSOR, 'coder', 'stop')).rejects.toMatchObject({
    code: 'STARLING_AGENT_TAKEN',
  });
  const look = { agent: 'coder', limit: 10, waitMs: 0 };
  await expect(one.runs.logs(CURSOR, look, NEVER)).rejects.toMatchObject({
    code: 'STARLING_AGENT_UNKNOWN',
  });
  await settle();
  one.runs.spawnerGone('client:ci');
  await settle();
  expect(one.programs[0]?.isClosed).toBe(true);
  expect(one.runs.viewOf('coder')).toBeUndefined();
  // While it is stopped the name stays its spawner's.
  await expect(one.spawn(CURSOR, { name: 'coder' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_TAKEN',
  });
});

it('however many are spawned at once, no more run than the operator allows', async () => {
  const one = await stage({ max: 3 });
  const spawned = await Promise.allSettled(Array.from({ length: 10 }, () => one.spawn(OPERATOR)));
  await settle();
  expect(spawned.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  expect(one.programs).toHaveLength(3);
});

it('a node that stops while agents are spawned leaves none of them behind', async () => {
  const one = await stage();
  const spawning = Promise.allSettled([one.spawn(OPERATOR), one.spawn(OPERATOR)]);
  await stopped(one.runs);
  await spawning;
  await settle();
  expect(one.programs.filter(({ isClosed }) => !isClosed)).toEqual([]);
  expect([...one.node.rows.keys()].filter((key) => key.startsWith('run/'))).toEqual([]);
});

it('whoever ends an agent twice at once ends no other one that begins between, and brings none back', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  const first = one.runs.end(OPERATOR, 'coder', 'retire');
  const second = one.runs.end(OPERATOR, 'coder', 'stop').catch((error: unknown) => error);
  await settle();
  world.clock.advance(2000);
  await first;
  expect(await second).toMatchObject({ code: 'STARLING_AGENT_UNKNOWN' });
  await one.spawn(CURSOR, { name: 'coder' });
  expect(one.runs.viewOf('coder')).toBeDefined();
});

it('an agent that writes to another is no way around the rights of those who sent it', async () => {
  const one = await stage();
  one.kinds['coder'] = kind({ tools: ['tool:files/*', 'agent:*'] });
  await one.spawn(OPERATOR, { name: 'coder' });
  await one.spawn(OPERATOR, { name: 'helper' });
  const sent = one.node.call(KEY, 'agent_message', {
    agentId: 'coder',
    message: 'have helper do it',
    type: 'query',
  });
  await settle();
  const asked = one.node.call(one.programs[0]?.init.principal() ?? KEY, 'agent_message', {
    agentId: 'helper',
    message: 'do it',
    type: 'query',
  });
  await settle();
  expect(one.programs[1]?.init.principal()).toMatchObject({
    worksFor: [{ name: 'agent:coder' }, KEY],
  });
  one.programs[1]?.given[0]?.answer('done');
  await asked;
  one.programs[0]?.given[0]?.answer('done');
  await sent;
});

it('while it works for somebody it has the rights of both, and still after its answer until another writes', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  const principal = (): Principal | undefined => one.programs[0]?.init.principal();
  expect(principal()).toEqual({ kind: 'client', name: 'agent:coder', scopes: ['tool:files/*'] });
  const sent = one.node.call(KEY, 'agent_message', {
    agentId: 'coder',
    message: 'x',
    type: 'query',
  });
  await settle();
  expect(principal()).toMatchObject({ name: 'agent:coder', worksFor: [KEY] });
  expect(principal()).toBe(principal());
  one.programs[0]?.given[0]?.answer('done');
  await sent;
  await settle();
  // A call that it was asked to make a moment later is no other call.
  expect(principal()).toMatchObject({ worksFor: [KEY] });
  // Whom nothing bounds, the operator, bounds nobody.
  await one.send('y');
  await settle();
  expect(principal()).not.toHaveProperty('worksFor');
});

it('no agent runs without a sandbox unless the operator says so, and then that is told', async () => {
  const strict = await stage({ noSandbox: true });
  await expect(strict.spawn(OPERATOR)).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    hint: 'apt',
    data: { reason: 'sandbox' },
  });
  await world.stop();
  const loose = await stage({ noSandbox: true, unconfined: true });
  const { resources } = await loose.spawn(OPERATOR);
  expect(resources.enforcedBy).toEqual({});
  expect(loose.health.warnings()).toMatchObject([{ code: 'agents-unconfined' }]);
});

it('what it writes is kept, bounded, and followed', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  for (let at = 0; at < 600; at += 1) one.programs[0]?.init.wrote(`line ${at}`);
  const read = (more: object): ReturnType<Runs['logs']> =>
    one.runs.logs(OPERATOR, { agent: 'coder', limit: 2, waitMs: 0, ...more }, NEVER);
  const last = await read({});
  expect(last.lines.map(({ text }) => text)).toEqual(['line 598', 'line 599']);
  const all = await read({ limit: 1000 });
  expect(all.lines).toHaveLength(500);
  const next = read({ cursor: last.cursor, waitMs: 60_000 });
  await settle();
  one.programs[0]?.init.wrote('more');
  expect((await next).lines).toMatchObject([{ text: 'more', replica: 1 }]);
  await one.restart();
  expect((await read({})).lines.map(({ text }) => text)).toEqual(['line 599', 'more']);
});

it('a new agent remembers nothing of a former one of its name, and one that is run again what it did', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  expect(one.forgotten).toEqual(['coder']);
  await one.runs.end(OPERATOR, 'coder', 'stop');
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  expect(one.forgotten).toEqual(['coder']);
});

it('a spawn waits for one write of the runs to the disk, and so does a retirement; a log that a kill -9 has left goes with it', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  expect(one.writes).toEqual([['run/coder']]);
  await one.runs.end(OPERATOR, 'coder', 'retire');
  expect(one.writes.slice(1)).toEqual([['run/coder'], ['run/coder', 'log/coder']]);
  one.node.rows.set('log/coder', Buffer.from('[{"seq":1,"at":"","replica":1,"text":"secret"}]'));
  await one.spawn(CURSOR, { name: 'coder' });
  await settle();
  expect(one.writes.at(-1)).toEqual(['log/coder', 'run/coder']);
  const read = { agent: 'coder', limit: 10, waitMs: 0 };
  expect((await one.runs.logs(CURSOR, read, NEVER)).lines).toEqual([]);
});

it('an agent that is retired is forgotten, and its name is free for anybody', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  await one.runs.end(OPERATOR, 'coder', 'retire');
  expect(one.programs[0]?.isClosed).toBe(true);
  expect([...one.node.rows.keys()].filter((key) => /^(run|agent|log)\//.test(key))).toEqual([]);
  await expect(one.node.call(CURSOR, 'agent_announce', { name: 'coder' })).resolves.toMatchObject({
    status: 'online',
  });
});

it('what an agent answers carries what it has read from, to whoever asks at its node', async () => {
  const one = await stage();
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  const asked = one.send('what did you read?', { type: 'query' });
  await settle();
  one.runs.running('coder')?.heard('external');
  one.programs[0]?.given[0]?.answer('this');
  await expect(asked).resolves.toMatchObject({ response: 'this', taint: 'external' });
  const next = one.send('and now?', { type: 'query' });
  await settle();
  one.programs[0]?.given[1]?.answer('nothing');
  await expect(next).resolves.not.toHaveProperty('taint');
});
