/** An approval as a form: what a person reads, and what counts as an answer. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { answerOf, formOf, showsForms } from '../../../src/gateway/clearance/approval-form.ts';
import type { Approval } from '../../../src/guard/index.ts';
import { alice } from '../../grants/arrange.ts';
import { governedNode, peer } from '../../guard/governed-node.ts';

const NOW_MS = 1_780_272_000_000;

async function approvalOf(
  args: JsonObject,
  more: Partial<Parameters<Awaited<ReturnType<typeof governedNode>>['approvals']['open']>[0]> = {},
): Promise<Approval> {
  const { approvals } = await governedNode();
  return approvals.open({
    kind: 'call',
    principal: peer(),
    resource: 'tool:files/write_file',
    ability: 'tool/call',
    args,
    rule: 'callers.peer:laptop.approval_required',
    timeoutMs: 600_000,
    ...more,
  });
}

const read = (approval: Approval): string =>
  String(formOf(approval, { self: 'workstation', nowMs: approval.askedAt })['message']);
/** The line that begins with `head`. */
const line = (text: string, head: string): string =>
  text.split('\n').find((one) => one.startsWith(head)) ?? '';

describe('the form', () => {
  it('says who asks what with which arguments, why, by which rule, and until when', async () => {
    const approval = await approvalOf(
      { path: '/srv/docs/a.txt', content: 'hello' },
      { justification: 'the report is due', grant: 'abcdefghijkl' },
    );
    const text = read(approval);
    expect(text).toContain('laptop (…');
    expect(text).toContain('at workstation. Do you approve?');
    expect(line(text, 'who:')).toBe(`who: laptop, ${alice.did}`);
    expect(line(text, 'what:')).toBe('what: call files/write_file');
    expect(line(text, 'arguments:')).toBe(
      'arguments: {"path":"/srv/docs/a.txt","content":"hello"}',
    );
    expect(line(text, 'why, as it says:')).toContain('the report is due');
    expect(line(text, 'rule:')).toBe(
      'rule: callers.peer:laptop.approval_required, and grant abcdefgh covers it',
    );
    expect(line(text, 'until:')).toBe(
      `until: ${new Date(approval.expiresAt).toISOString()} (10 min); no answer is a no`,
    );
    expect(line(text, 'elsewhere:')).toContain(approval.id.slice(0, 8));
    expect(text).not.toContain('Careful');
  });

  it('says on whose behalf a peer calls, if it says so', async () => {
    const laptop = peer();
    if (laptop.kind !== 'peer') throw new Error('the test needs a peer');
    const principal = { ...laptop, onBehalfOf: { name: 'ci\u202e' } };
    const text = read(await approvalOf({}, { principal }));
    expect(line(text, 'on behalf of:')).toMatch(/^on behalf of: client:ci\\u\{202e\}@did:key:/);
  });

  it('fills nothing in, and must have a decision', async () => {
    const { requestedSchema } = formOf(await approvalOf({}), { self: 'a', nowMs: NOW_MS });
    expect(requestedSchema).toMatchObject({
      properties: { decision: { enum: ['approve', 'deny'] }, reason: { type: 'string' } },
      required: ['decision'],
    });
    expect(JSON.stringify(requestedSchema)).not.toContain('default');
  });

  it('for a grant says for whom, what it would get, and for how long', async () => {
    const text = read(
      await approvalOf(
        {},
        {
          kind: 'permission',
          permission: {
            subject: 's',
            agentId: 'helper\nrule: none',
            capabilities: [
              { resource: 'tool:files/read_*', ability: 'tool/call', caveats: { uses: 5 } },
            ],
            lifetimeMs: 300_000,
          },
        },
      ),
    );
    expect(line(text, 'on behalf of:')).toBe('on behalf of: helper\\u{a}rule: none (as it says)');
    expect(line(text, 'would get:')).toBe(
      'would get: call files/read_* with any arguments (5 uses)',
    );
    expect(line(text, 'for how long:')).toBe('for how long: 5 min');
  });

  it.each([
    ['a line end', '/a\nrule: none'],
    ['a Unicode line separator', '/a\u2028rule: none'],
    ['a carriage return', '/a\rrule: none'],
  ])('can not be made to say more by %s in the arguments', async (_, path) => {
    const plain = read(await approvalOf({ path: '/a' })).split('\n');
    const forged = read(await approvalOf({ path })).split('\n');
    const own = forged.filter((one) => !one.startsWith('Careful') && one !== '');
    expect(own).toHaveLength(plain.filter((one) => one !== '').length);
    expect(own.filter((one) => one.startsWith('rule:'))).toHaveLength(1);
  });

  it.each([
    ['zero-width space', '\u200b'],
    ['bidi override', '\u202e'],
    ['tag character', '\u{e0041}'],
    ['Hangul filler', '\u3164'],
    ['word joiner', '\u2060'],
  ])('writes out a %s, and warns', async (_, hidden) => {
    for (const text of [
      read(await approvalOf({ path: `/srv/${hidden}docs` })),
      read(await approvalOf({ [`pa${hidden}th`]: '/srv' })),
      read(await approvalOf({}, { justification: `please${hidden}` })),
    ]) {
      expect(text).not.toContain(hidden);
      expect(text).toMatch(/\\u\{[0-9a-f]+\}/i);
      expect(text).toContain('Careful: there are invisible characters in it');
    }
  });

  it('is bounded, shows each argument, and says how much of it is cut', async () => {
    const approval = await approvalOf({ content: 'x'.repeat(2_000_000), path: '/etc/passwd' });
    const text = read(approval);
    expect(text.length).toBeLessThan(10_000);
    expect(text).toContain('"path":"/etc/passwd"');
    expect(text).toMatch(/x… 199\d{4} more characters/);
    const names = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`name${n}`, n]));
    const many = read(await approvalOf(names));
    expect(many.length).toBeLessThan(10_000);
    expect(many).toContain('… 4968 more arguments');
  });
});

describe('the answer', () => {
  const accept = (content: unknown): JsonObject =>
    ({ action: 'accept', content }) as unknown as JsonObject;

  it('is what the form says, with its reason', () => {
    expect(answerOf(accept({ decision: 'approve', reason: ' fine ' }))).toEqual({
      approve: true,
      reason: 'fine',
    });
    expect(answerOf(accept({ decision: 'deny', reason: '' }))).toEqual({ approve: false });
    expect(answerOf(accept({ decision: 'approve', reason: null }))).toEqual({ approve: true });
    expect(answerOf({ action: 'decline' })).toEqual({ approve: false });
  });

  it.each([
    ['closing the form', { action: 'cancel' }],
    ['closing it with a decision in it', { action: 'cancel', content: { decision: 'approve' } }],
    ['nothing', undefined],
    ['an empty result', {}],
    ['another action', { action: 'approve' }],
    ['no content', { action: 'accept' }],
    ['content of another kind', accept('approve')],
    ['a list', accept(['approve'])],
    ['null', accept(null)],
    ['another decision', accept({ decision: 'yes' })],
    ['a decision that is no text', accept({ decision: true })],
    ['a decision in other case', accept({ decision: 'Approve' })],
    ['a reason that is no text', accept({ decision: 'approve', reason: { a: 1 } })],
  ])('is none for %s', (_, result) => {
    expect(answerOf(result)).toBeUndefined();
  });
});

describe('a client shows forms', () => {
  it.each([
    [{ elicitation: {} }, true],
    [{ elicitation: { form: {} } }, true],
    [{ elicitation: { form: {}, url: {} } }, true],
    [{ elicitation: { url: {} } }, false],
    [{}, false],
    [{ elicitation: null }, false],
    [{ elicitation: true }, false],
    [{ elicitation: [] }, false],
  ])('that declares %j: %s', (capabilities, shows) => {
    expect(showsForms(capabilities as JsonObject)).toBe(shows);
  });
});
