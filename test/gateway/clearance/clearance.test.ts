/** Who is asked before a call, how often, and what is told and recorded. */
import { describe, expect, it } from 'vitest';
import type { AuditInit } from '../../../src/audit/index.ts';
import { StarlingError, silentLogger, systemClock } from '../../../src/core/index.ts';
import { createClearance } from '../../../src/gateway/clearance/clearance.ts';
import { LOOKS_MAX, LOOK_MS } from '../../../src/gateway/clearance/repeated-looks.ts';
import type { Clearance, WantedCall } from '../../../src/gateway/clearance/clearance.ts';
import type { Did, JsonObject } from '../../../src/core/index.ts';
import type { GuardWanted } from '../../../src/guard/index.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import { DASHBOARD, WATCHING } from '../../../src/guard/index.ts';
import type { Guard, Principal } from '../../../src/guard/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

const OPERATOR: Principal = { kind: 'operator' };
const CLIENT: Principal = { kind: 'client', name: 'ci', scopes: ['*'] };

const unwritable = new StarlingError('STARLING_AUDIT_UNAVAILABLE', 'no space left');

function requestOf(args?: JsonObject): RequestFrame {
  const params = args === undefined ? {} : { arguments: args };
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
  return parseFrame(Buffer.from(JSON.stringify(message))) as RequestFrame;
}

function startClearance(
  healthy = false,
  append: () => Promise<number> = () => Promise.reject(unwritable),
): {
  readonly clearance: Clearance;
  readonly noted: AuditInit[];
  readonly clock: ReturnType<typeof createTestClock>;
  /** What was told to the log of calls that were let go on, by whatever way. */
  decisions(this: void): readonly AuditInit[];
} {
  const noted: AuditInit[] = [];
  const appended: AuditInit[] = [];
  const clock = createTestClock();
  const guard = { decide: () => ({ allow: true }) } as unknown as Guard;
  const clearance = createClearance(
    {
      guard,
      approvals: {
        ask: () => Promise.reject(unwritable),
        askLasting: () => Promise.reject(unwritable),
      },
      audit: {
        isOn: true,
        healthy: () => healthy,
        append(entry) {
          appended.push(entry);
          return append();
        },
        note: (entry) => noted.push(entry),
      },
      clock,
      logger: silentLogger,
    },
    { self: 'alice' },
  );
  const decisions = (): readonly AuditInit[] =>
    [...appended, ...noted].filter(({ kind }) => kind === 'decision');
  return { clearance, noted, clock, decisions };
}

const READING = { readOnly: true };

async function call(
  clearance: Clearance,
  principal: Principal,
  tool: string,
  facts?: GuardWanted['facts'],
  { args, session = '1' }: { readonly args?: JsonObject; readonly session?: string } = {},
): Promise<string> {
  const kind = facts === undefined ? {} : { facts };
  try {
    const cleared = await clearance.clear({
      principal,
      wanted: { ability: 'tool/call', resource: `tool:${tool}`, ...kind },
      request: requestOf(args),
      session,
      signal: () => new AbortController().signal,
      waits: () => () => undefined,
    });
    cleared.over('ok');
    return 'ok';
  } catch (error) {
    return error instanceof StarlingError ? error.code : String(error);
  }
}

describe('while the audit log can not be written', () => {
  it.each([
    ['is known', false],
    ['shows only now', true],
  ])('the operator may look, which is recorded later: that %s', async (_, healthy) => {
    const { clearance, noted } = startClearance(healthy);
    const tools = ['status', 'peers', 'grant_list', 'audit_verify'];
    for (const tool of tools) {
      expect(await call(clearance, OPERATOR, `starling/${tool}`, READING)).toBe('ok');
    }
    expect(noted.map(({ kind, outcome, what }) => [kind, outcome, what.resource])).toEqual(
      tools.map((tool) => ['decision', 'allowed', `tool:starling/${tool}`]),
    );
  });

  it('nothing else may be called, and nobody else may call', async () => {
    const { clearance, noted } = startClearance();
    for (const tool of ['starling/grant_create', 'files/status', 'starling/status/x']) {
      expect(await call(clearance, OPERATOR, tool)).toBe('STARLING_AUDIT_UNAVAILABLE');
    }
    for (const [principal, tool] of [
      [OPERATOR, 'files/read'],
      [CLIENT, 'starling/status'],
    ] as const) {
      const ended = await call(clearance, principal, tool, READING);
      expect(ended).toBe('STARLING_AUDIT_UNAVAILABLE');
    }
    expect(noted).toEqual([]);
  });
});

it.each([
  ['a command that watches', WATCHING],
  ['the dashboard', DASHBOARD],
])('%s is left unrecorded in figures, and in nothing else', async (_, principal) => {
  const { clearance, noted } = startClearance();
  const told = ['status', 'peers', 'node_figures', 'calls_recent'].map(
    (tool) => `starling/${tool}`,
  );
  // Any program of this account can say that it watches.
  const more = ['starling/context_show', 'starling/secret_list', 'starling/grant_export'];
  for (const tool of [...told, ...more]) {
    expect(await call(clearance, principal, tool, READING)).toBe('ok');
  }
  expect(noted.map(({ what }) => what.resource)).toEqual(more.map((tool) => `tool:${tool}`));
});

describe('who keeps looking', () => {
  const look = async (
    { clearance }: Pick<ReturnType<typeof startClearance>, 'clearance'>,
    args: JsonObject = {},
    { principal = DASHBOARD, session = '1', tool = 'starling/board_list' } = {},
  ): Promise<string> => call(clearance, principal, tool, READING, { args, session });

  it.each([
    ['the log can be written', true],
    ['the log can not be written', false],
  ])('is on record once for each thing, and once more each hour: where %s', async (_, isWhole) => {
    const started = startClearance(isWhole, () => Promise.resolve(1));
    const { clock, decisions } = started;
    for (let count = 0; count < 100; count += 1) {
      await look(started, { board: 'plan' });
      clock.advance(2000);
    }
    expect(decisions()).toHaveLength(1);
    await look(started, { board: 'secrets' });
    await look(started, { board: 'plan' }, { session: '2' });
    await look(started, { board: 'plan' }, { principal: WATCHING, session: '3' });
    await look(started, { board: 'plan' }, { tool: 'starling/board_history' });
    expect(decisions()).toHaveLength(5);
    clock.advance(LOOK_MS);
    await look(started, { board: 'plan' });
    expect(decisions()).toHaveLength(6);
    // A clock that was set back makes nothing unseen.
    clock.advance(-2 * LOOK_MS);
    await look(started, { board: 'plan' });
    expect(decisions()).toHaveLength(7);
  });

  it('is on record once for news that it waits for again and again', async () => {
    const started = startClearance(true, () => Promise.resolve(1));
    const asked = { principal: WATCHING, tool: 'starling/audit_tail' };
    await look(started, { kind: 'call' }, asked);
    for (let cursor = 1; cursor < 50; cursor += 1) {
      await look(started, { kind: 'call', cursor, timeout_s: 60, limit: cursor }, asked);
    }
    expect(started.decisions()).toHaveLength(1);
    await look(started, { kind: 'grant', cursor: 50 }, asked);
    expect(started.decisions()).toHaveLength(2);
  });

  it('makes no call that is not on record, whatever came to the log', async () => {
    const fails = new Error('no space left');
    const started = startClearance(true, () => Promise.reject(fails));
    for (let count = 0; count < 3; count += 1) {
      expect(await look(started, { board: 'plan' })).toBe(String(fails));
    }
    expect(started.decisions()).toHaveLength(3);
  });

  it('that makes up ever new things fills no memory, and is on record with each', async () => {
    const started = startClearance(true, () => Promise.resolve(1));
    const many = LOOKS_MAX + 100;
    for (let count = 0; count < many; count += 1) await look(started, { board: `b${count}` });
    expect(started.decisions()).toHaveLength(many);
    await look(started, { board: 'b0' });
    expect(started.decisions()).toHaveLength(many + 1);
    await look(started, { board: `b${many - 1}` });
    expect(started.decisions()).toHaveLength(many + 1);
  });

  it('is on record each time with what is no look', async () => {
    const started = startClearance(true, () => Promise.resolve(1));
    for (let count = 0; count < 3; count += 1) {
      await call(started.clearance, DASHBOARD, 'starling/approval_answer');
    }
    expect(started.decisions()).toHaveLength(3);
  });
});

it('a call whose arguments can not be recorded is refused, and nothing stays held for it', async () => {
  const ends: boolean[] = [];
  const failing = Promise.reject(new StarlingError('STARLING_BUDGET_EXHAUSTED', 'nothing is left'));
  const holds = [
    Promise.resolve({
      held: [],
      over(hasBegun: boolean) {
        ends.push(hasBegun);
        return {};
      },
    }),
    // Nobody else would hear of the refusal, and a rejection that nobody hears ends the process.
    failing,
  ];
  const clearance = createClearance(
    {
      guard: { decide: () => ({ allow: true }) } as unknown as Guard,
      approvals: {
        ask: () => Promise.reject(new Error('nobody asks')),
        askLasting: () => Promise.reject(new Error('nobody asks')),
      },
      audit: {
        isOn: true,
        healthy: () => true,
        append: () => Promise.reject(new Error('nothing is written')),
        note: () => undefined,
      },
      spendings: { begin: () => holds.shift() },
      clock: systemClock,
      logger: silentLogger,
    },
    { self: 'alice' },
  );
  const request = parseFrame(
    Buffer.from(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"q":"\\ud800"}}}',
    ),
  ) as RequestFrame;
  const clear = async (): Promise<unknown> =>
    clearance.clear({
      principal: CLIENT,
      wanted: { ability: 'tool/call', resource: 'tool:files/read' },
      request,
      session: '1',
      signal: () => new AbortController().signal,
      waits: () => () => undefined,
    });
  for (let round = 0; round < 2; round += 1) await expect(clear()).rejects.toThrow();
  await new Promise((resolve) => setImmediate(resolve));
  expect(holds).toEqual([]);
  expect(ends).toEqual([false]);
});

interface Asked {
  readonly clearance: Clearance;
  readonly wanted: GuardWanted[];
  readonly noted: AuditInit[];
  allow: boolean;
}

function countingClearance(): Asked {
  const asked: Asked = {
    wanted: [],
    noted: [],
    allow: true,
    clearance: createClearance(
      {
        guard: {
          decide(_, wanted) {
            asked.wanted.push(wanted);
            if (asked.allow) return { allow: true };
            return { allow: false, refusal: { rule: 'none', text: 'no' }, hint: 'ask' };
          },
        },
        approvals: {
          ask: () => Promise.reject(new Error('nobody is asked')),
          askLasting: () => Promise.reject(new Error('nobody is asked')),
        },
        audit: {
          isOn: true,
          healthy: () => true,
          append: () => Promise.resolve(1),
          note: (entry) => asked.noted.push(entry),
        },
        clock: systemClock,
        logger: silentLogger,
      },
      { self: 'alice' },
    ),
  };
  return asked;
}

function wantedCall(text: string, more: Partial<WantedCall> = {}): WantedCall {
  return {
    principal: { kind: 'agent', did: 'did:key:z' as Did, name: 'helper' },
    request: parseFrame(
      Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${text}}`),
    ) as RequestFrame,
    wanted: { ability: 'tool/call', resource: 'tool:files/read' },
    session: '1',
    signal: () => new AbortController().signal,
    waits: () => () => undefined,
    ...more,
  };
}

const codeOf = async (act: () => unknown): Promise<string> => {
  try {
    await act();
    return 'ok';
  } catch (error) {
    return error instanceof StarlingError ? error.code : String(error);
  }
};

describe('a call', () => {
  const MISSING = (): StarlingError => new StarlingError('STARLING_TOOL_UNKNOWN', 'there is none');

  it('is asked about once, with the arguments that every reader understands alike', async () => {
    const { clearance, wanted } = countingClearance();
    expect(await codeOf(() => clearance.clear(wantedCall('{"arguments":{"path":"a"}}')))).toBe(
      'ok',
    );
    expect(wanted).toEqual([
      { ability: 'tool/call', resource: 'tool:files/read', args: { path: 'a' } },
    ]);
  });

  it('with arguments that can be read in two ways is refused, recorded, and asked about never', async () => {
    const { clearance, wanted, noted } = countingClearance();
    const twice = wantedCall('{"arguments":{"path":"a","path":"b"}}');
    expect(await codeOf(() => clearance.clear(twice))).toBe('STARLING_CALL_REFUSED');
    expect(wanted).toEqual([]);
    expect(noted).toMatchObject([{ kind: 'decision', outcome: 'denied' }]);
  });

  it('of what does not exist is told so to a caller that may make it, and uses nothing up', async () => {
    const { clearance, wanted, noted } = countingClearance();
    const call = wantedCall('{}', { obstacle: MISSING });
    expect(await codeOf(() => clearance.clear(call))).toBe('STARLING_TOOL_UNKNOWN');
    expect(wanted).toMatchObject([{ look: true }]);
    expect(noted).toEqual([]);
  });

  it('of what does not exist is refused like any other to everybody else', async () => {
    const asked = countingClearance();
    asked.allow = false;
    const tell = async (more: Partial<WantedCall>): Promise<unknown> => {
      try {
        return await asked.clearance.clear(wantedCall('{}', more));
      } catch (error) {
        const { code, message, hint, data } = error as StarlingError;
        return { code, message, hint, data };
      }
    };
    const [missing, real] = [await tell({ obstacle: MISSING }), await tell({})];
    expect(missing).toEqual(real);
    expect(asked.noted.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['denied', 'no'],
      ['denied', 'no'],
    ]);
  });
});
