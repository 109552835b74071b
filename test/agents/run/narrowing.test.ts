/** What a spawned agent may use: never more than its kind, nor than whoever spawned it. */
import { expect, it } from 'vitest';
import { narrowTools } from '../../../src/agents/run/narrowing.ts';
import { ATTACHED_SCOPES, OPERATOR, scopesCover } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';

const client = (...scopes: readonly string[]): Principal => ({ kind: 'client', name: 'x', scopes });

it('the operator gives all that the kind has, a client what it has itself; the rest is told', () => {
  const kind = ['tool:files/*', 'agent:reviewer', 'tool:starling/peers'];
  expect(narrowTools(OPERATOR, kind, undefined)).toEqual({ tools: kind, withheld: [] });
  expect(narrowTools(client('tool:files/read'), kind, undefined)).toEqual({
    tools: [],
    withheld: kind,
  });
  expect(narrowTools(client('*'), kind, undefined)).toEqual({
    tools: ['tool:files/*'],
    withheld: ['agent:reviewer', 'tool:starling/peers'],
  });
});

it('what is asked for beyond the kind or the spawner is refused', () => {
  const kind = ['tool:files/*'];
  expect(narrowTools(OPERATOR, kind, ['tool:files/read']).tools).toEqual(['tool:files/read']);
  const refused = { code: 'STARLING_CALL_REFUSED' };
  expect(() => narrowTools(OPERATOR, kind, ['tool:*/*'])).toThrow(expect.objectContaining(refused));
  expect(() => narrowTools(client('tool:files/read'), kind, ['tool:files/*'])).toThrow(
    expect.objectContaining(refused),
  );
  expect(() => narrowTools(OPERATOR, ['*'], ['agent:reviewer'])).toThrow(
    expect.objectContaining(refused),
  );
  const peer = { kind: 'agent', did: 'did:key:z', name: 'a' } as unknown as Principal;
  expect(narrowTools(peer, kind, undefined).tools).toEqual([]);
});

it('the built-in server is covered only by what names it, here and at peers', () => {
  for (const wide of [['*'], ['tool:**'], ['tool:*/*'], ['tool:@alice/*/*'], ['tool:@*/**']]) {
    expect(scopesCover(wide, 'tool:starling/agent_spawn'), wide[0]).toBe(false);
    expect(scopesCover(wide, 'tool:@alice/starling/agent_spawn'), wide[0]).toBe(false);
  }
  expect(scopesCover(['tool:@alice/starling/*'], 'tool:@alice/starling/peers')).toBe(true);
  expect(scopesCover(ATTACHED_SCOPES, 'tool:starling/peers')).toBe(true);
  expect(scopesCover(['*'], 'tool:@alice/files/*')).toBe(true);
  expect(scopesCover(['*'], 'agent:x')).toBe(false);
  expect(scopesCover(['*'], '*')).toBe(true);
  expect(scopesCover(['tool:**'], '*')).toBe(false);
});
