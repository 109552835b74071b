/** Approvals as people meet them: forms in the operator's clients, and who is never asked. */
import { describe, expect, it } from 'vitest';
import { CALL_FORMS_ONLY } from '../../../src/config/index.ts';
import { ECHO, FORMS, MINUTE_MS, attach, meshOf, pending } from '../support/approvers.ts';
import { INITIALIZE, defer, http, lineClient, until, useCleanup } from '../support/gateways.ts';
import type { TestNode } from '../support/gateways.ts';

useCleanup();

const yes = { action: 'accept', content: { decision: 'approve', reason: 'fine' } };
const no = { action: 'accept', content: { decision: 'deny', reason: 'not today' } };

describe('a pending approval', () => {
  it('shows as a form to the operator’s client, and its answer lets the call run', async () => {
    const { alice, caller } = await meshOf();
    const person = await attach(alice, FORMS);
    const call = caller.call(1, ECHO, { message: 'hi' });
    await until(() => person.forms().length === 1);
    const [form] = person.forms();
    expect(form).toMatchObject({
      method: 'elicitation/create',
      params: { message: expect.stringContaining('arguments: {"message":"hi"}') as string },
    });
    person.answer(form, yes);
    expect(await call).toMatchObject({ result: { content: [{ text: 'hi' }] } });
    expect(alice.approvals.list()).toMatchObject([
      { state: 'approved', reason: 'fine', answeredBy: 'the operator' },
    ]);
    expect(person.takenBack()).toEqual([]);
  });

  it.each([
    ['denied', no, /and it is denied: not today/],
    ['declined', { action: 'decline' }, /and it is denied/],
  ])('%s in the form refuses the call with the reason', async (_, answer, words) => {
    const { alice, caller } = await meshOf();
    const person = await attach(alice, FORMS);
    const call = caller.call(1, ECHO);
    await until(() => person.forms().length === 1);
    person.answer(person.forms()[0], answer);
    const { error } = await call;
    expect(error).toMatchObject({ message: expect.stringMatching(words) as string });
  });

  it.each([
    ['closed', { action: 'cancel' }],
    ['answered with garbage', { action: 'accept', content: { decision: 'perhaps' } }],
    ['answered with nothing', {}],
  ])('%s in the form waits on, and can be answered elsewhere', async (_, answer) => {
    const { alice, caller } = await meshOf();
    const person = await attach(alice, FORMS);
    const call = caller.call(1, ECHO, { message: 'hi' });
    await until(() => person.forms().length === 1);
    person.answer(person.forms()[0], answer);
    const list = await person.call(5, 'starling__status');
    expect(list['error'] ?? list['result']).toBeDefined();
    const [one] = alice.approvals.list('pending');
    expect(one?.state).toBe('pending');
    await alice.approvals.approve(one?.id ?? '', {
      principal: { kind: 'operator' },
      via: 'library',
    });
    expect(await call).toMatchObject({ result: { content: [{ text: 'hi' }] } });
  });

  it.each([
    ['an error', { error: { code: -1, message: 'no' } }],
    ['a result that repeats nothing of the form', { result: null }],
    ['an answer to an id that was never asked', { id: 4711, result: yes }],
  ])('is not decided by %s', async (_, message) => {
    const { alice, caller } = await meshOf();
    const person = await attach(alice, FORMS);
    caller.start(1, ECHO);
    await until(() => person.forms().length === 1);
    person.send({ id: person.forms()[0]?.['id'], ...message });
    await person.call(5, 'starling__status');
    expect(pending(alice)).toBe(1);
  });

  it('asks two clients, the first answer wins, and the other form is taken back', async () => {
    const { alice, caller } = await meshOf();
    const people = [await attach(alice, FORMS), await attach(alice, FORMS)] as const;
    const call = caller.call(1, ECHO, { message: 'hi' });
    await until(() => people.every((person) => person.forms().length === 1));
    const [first, second] = people;
    const late = second.forms()[0];
    first.answer(first.forms()[0], yes);
    expect(await call).toMatchObject({ result: {} });
    await until(() => second.takenBack().length === 1);
    expect(second.takenBack()).toEqual([late?.['id']]);
    second.answer(late, no);
    await second.call(5, 'starling__status');
    expect(alice.approvals.list()).toMatchObject([{ state: 'approved' }]);
  });

  it('is taken back when its time is over, and an answer then changes nothing', async () => {
    const { alice, caller, clock } = await meshOf();
    const person = await attach(alice, FORMS);
    const call = caller.call(1, ECHO);
    await until(() => person.forms().length === 1);
    const [form] = person.forms();
    await clock.advance(10 * MINUTE_MS);
    expect(await call).toMatchObject({
      error: { message: expect.stringMatching(/and it is expired/) as string },
    });
    await until(() => person.takenBack().length === 1);
    person.answer(form, yes);
    await person.call(5, 'starling__status');
    expect(alice.approvals.list()).toMatchObject([{ state: 'expired' }]);
  });

  it('is taken back when the caller gives up', async () => {
    const { alice, caller } = await meshOf();
    const person = await attach(alice, FORMS);
    caller.send({ id: 1, method: 'tools/call', params: { name: ECHO } });
    await until(() => person.forms().length === 1);
    caller.send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    await until(() => person.takenBack().length === 1);
    expect(alice.approvals.list()).toMatchObject([{ state: 'withdrawn' }]);
  });

  it('outlives a client that goes away without an answer', async () => {
    const { alice, caller } = await meshOf();
    const person = await attach(alice, FORMS);
    const call = caller.call(1, ECHO, { message: 'hi' });
    await until(() => person.forms().length === 1);
    person.end();
    await until(() => alice.gateway.sessions().socket === 0);
    expect(pending(alice)).toBe(1);
    const next = await attach(alice, FORMS);
    await until(() => next.forms().length === 1);
    next.answer(next.forms()[0], yes);
    expect(await call).toMatchObject({ result: {} });
  });

  it('shows to a client that attaches later, once', async () => {
    const { alice, caller } = await meshOf();
    caller.start(1, ECHO);
    await until(() => pending(alice) === 1);
    const person = await attach(alice, FORMS);
    person.send({ method: 'notifications/initialized' });
    await until(() => person.forms().length === 1);
    await person.call(5, 'starling__status');
    expect(person.forms()).toHaveLength(1);
  });

  it('is shown once more to who closed it, when it is escalated', async () => {
    const { alice, caller, clock } = await meshOf(
      'zones: { trusted: { approval_required: true, escalation_delay: 2m } }',
    );
    const person = await attach(alice, FORMS);
    caller.start(1, ECHO);
    await until(() => person.forms().length === 1);
    person.answer(person.forms()[0], { action: 'cancel' });
    await person.call(5, 'starling__status');
    await clock.advance(2 * MINUTE_MS);
    await until(() => person.forms().length === 2);
    expect(pending(alice)).toBe(1);
  });
});

describe('ten at once', () => {
  it('each get a form, and each its own answer, in any order', async () => {
    const { alice, caller } = await meshOf();
    const person = await attach(alice, FORMS);
    const calls = Array.from({ length: 10 }, (_, n) =>
      caller.call(n + 1, ECHO, { message: `m${n}` }),
    );
    await until(() => person.forms().length === 10);
    for (const form of person.forms().toReversed()) {
      const { message } = form['params'] as { message: string };
      person.answer(form, /"m[02468]"/.test(message) ? yes : no);
    }
    const answers = await Promise.all(calls);
    for (const [n, answer] of answers.entries()) {
      if (n % 2 === 0) expect(answer).toMatchObject({ result: { content: [{ text: `m${n}` }] } });
      else expect(answer).toMatchObject({ error: {} });
    }
    expect(pending(alice)).toBe(0);
  });

  it('and more show sixteen forms at a time, the next when one is answered', async () => {
    const { alice, caller } = await meshOf();
    const person = await attach(alice, FORMS);
    const calls = Array.from({ length: 20 }, (_, n) => caller.call(n + 1, ECHO));
    await until(() => pending(alice) === 20);
    await until(() => person.forms().length === 16);
    const shown = person.forms();
    for (const form of shown) person.answer(form, yes);
    await until(() => person.forms().length === 20);
    for (const form of person.forms().slice(16)) person.answer(form, yes);
    for (const answer of await Promise.all(calls)) expect(answer).toMatchObject({ result: {} });
  });
});

describe('nobody is asked', () => {
  it('who shows no forms, has not said that it is ready, or is a peer', async () => {
    const { alice, bob, caller } = await meshOf();
    const mute = await attach(alice);
    const channels = await attach(alice, { elicitation: { url: {} } });
    // `starling call --ask`, which shows the forms of its own call.
    const ofCall = await attach(alice, {
      ...FORMS,
      experimental: { [CALL_FORMS_ONLY]: {} },
    });
    const unready = await lineClient(alice);
    unready.send({ ...INITIALIZE, params: { ...INITIALIZE.params, capabilities: FORMS } });
    await unready.next();
    const ofBob = await attach(bob, FORMS);
    ofBob.start(1, ECHO);
    caller.start(1, ECHO);
    await until(() => pending(alice) === 2);
    unready.send({ jsonrpc: '2.0', id: 9, method: 'ping' });
    expect(await unready.next()).toMatchObject({ id: 9 });
    for (const client of [mute, channels, ofCall, ofBob]) {
      await client.call(5, 'starling__status');
      expect(client.forms()).toEqual([]);
    }
  });

  it('in the session that made the call; another of the operator’s is', async () => {
    const { alice } = await meshOf('callers: { operator: { approval_required: ["files/*"] } }');
    const model = await attach(alice, FORMS);
    const person = await attach(alice, FORMS);
    const call = model.call(1, 'files__echo', { message: 'mine' });
    await until(() => person.forms().length === 1);
    await model.call(5, 'starling__status');
    expect(model.forms()).toEqual([]);
    person.answer(person.forms()[0], yes);
    expect(await call).toMatchObject({ result: { content: [{ text: 'mine' }] } });
  });

  it('who came in with an API key; who has the operator’s token over HTTP is', async () => {
    const { alice, caller } = await meshOf();
    const { key } = await alice.keys.create({ name: 'ci', scopes: ['*'] });
    const opening = { ...INITIALIZE, params: { ...INITIALIZE.params, capabilities: FORMS } };
    const sessions = new Map<string, string>();
    for (const token of [key.reveal(), await alice.token()]) {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await http(alice, { headers, body: JSON.stringify(opening) });
      const session = String(answer.headers['mcp-session-id']);
      sessions.set(token, session);
      const body = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
      await http(alice, { headers: { ...headers, 'mcp-session-id': session }, body });
    }
    caller.start(1, ECHO);
    await until(() => pending(alice) === 1);
    const [ofKey, ofOperator] = await Promise.all(
      [...sessions].map(([token, session]) => firstEvent(alice, token, session)),
    );
    expect(await ofOperator?.text).toContain('elicitation/create');
    expect(await Promise.race([ofKey?.text, Promise.resolve('nothing')])).toBe('nothing');
    ofKey?.stop();
    ofOperator?.stop();
  });
});

/** The first event that an HTTP client hears when it opens its event stream. */
async function firstEvent(
  node: TestNode,
  token: string,
  session: string,
): Promise<{ readonly text: Promise<string>; stop(): void }> {
  const ended = new AbortController();
  defer(() => ended.abort());
  const response = await fetch(node.gateway.endpoints().url ?? '', {
    headers: {
      accept: 'text/event-stream',
      authorization: `Bearer ${token}`,
      'mcp-session-id': session,
    },
    signal: ended.signal,
  });
  const first = response.body?.getReader().read();
  const text = first?.then(
    ({ value }) => Buffer.from(value ?? []).toString('utf8'),
    () => 'it was closed',
  );
  return { text: text ?? Promise.resolve(''), stop: () => ended.abort() };
}
