/** What a node still does while its audit log can't be written. */
import { describe, expect, it } from 'vitest';
import type { AuditInit } from '../../../src/audit/index.ts';
import { StarlingError, silentLogger, systemClock } from '../../../src/core/index.ts';
import { createClearance } from '../../../src/gateway/clearance/clearance.ts';
import type { Clearance } from '../../../src/gateway/clearance/clearance.ts';
import type { RequestFrame } from '../../../src/gateway/types.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { Guard, Principal } from '../../../src/guard/index.ts';

const OPERATOR: Principal = { kind: 'operator' };
const CLIENT: Principal = { kind: 'client', name: 'ci', scopes: ['*'] };

const REQUEST = parseFrame(
  Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}'),
) as RequestFrame;

function startClearance(): { readonly clearance: Clearance; readonly noted: AuditInit[] } {
  const noted: AuditInit[] = [];
  const unwritable = new StarlingError('STARLING_AUDIT_UNAVAILABLE', 'no space left');
  const guard = { decide: () => ({ allow: true }) } as unknown as Guard;
  const clearance = createClearance(
    {
      guard,
      approvals: { ask: () => Promise.reject(unwritable) },
      audit: {
        isOn: true,
        healthy: () => false,
        append: () => Promise.reject(unwritable),
        note: (entry) => noted.push(entry),
      },
      clock: systemClock,
      logger: silentLogger,
    },
    { self: 'alice' },
  );
  return { clearance, noted };
}

async function call(clearance: Clearance, principal: Principal, tool: string): Promise<string> {
  try {
    const cleared = await clearance.clear({
      principal,
      wanted: { ability: 'tool/call', resource: `tool:${tool}` },
      request: REQUEST,
      session: '1',
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
  it('the operator is shown why: its status and peers are recorded later', async () => {
    const { clearance, noted } = startClearance();
    expect(await call(clearance, OPERATOR, 'starling/status')).toBe('ok');
    expect(await call(clearance, OPERATOR, 'starling/peers')).toBe('ok');
    expect(noted.map(({ kind, outcome, what }) => [kind, outcome, what.resource])).toEqual([
      ['decision', 'allowed', 'tool:starling/status'],
      ['decision', 'allowed', 'tool:starling/peers'],
    ]);
  });

  it('nothing else may be called, and nobody else may call', async () => {
    const { clearance, noted } = startClearance();
    for (const tool of ['starling/grant_create', 'files/status', 'starling/status/x']) {
      expect(await call(clearance, OPERATOR, tool)).toBe('STARLING_AUDIT_UNAVAILABLE');
    }
    expect(await call(clearance, CLIENT, 'starling/status')).toBe('STARLING_AUDIT_UNAVAILABLE');
    expect(noted).toEqual([]);
  });
});
