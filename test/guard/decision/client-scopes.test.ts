/** Scopes of clients: what each covers, and who may hand which of them on. */
import { describe, expect, it } from 'vitest';
import { attachedClient, isScope, scopesCover } from '../../../src/guard/decision/client-scopes.ts';

describe('whoever has', () => {
  it.each<[readonly string[], string, boolean]>([
    [['*'], '*', true],
    [['tool:*/*'], '*', false],
    [['metrics'], 'metrics', true],
    [['*'], 'metrics', false],
    [['*'], 'no scope', false],
    [['*'], 'tool:files/read_file', true],
    [['*'], 'resource:notes/a', true],
    [['*'], 'prompt:notes/a', true],
    [['*'], 'agent:digger', false],
    [['*'], 'model:gpu/*', false],
    [['*'], 'tool:starling/*', false],
    [['*'], 'tool:@alice/starling/*', false],
    [['*', 'tool:starling/*'], 'tool:starling/peers', true],
    [['tool:files/*'], 'tool:files/read_file', true],
    [['tool:files/read_file'], 'tool:files/*', false],
    [['tool:files/*', 'tool:git/*'], 'tool:git/log', true],
    [['tool:files/*', 'tool:git/*'], 'tool:mail/send', false],
    [['tool:*/*'], 'tool:starling/peers', false],
    [['tool:starling/*'], 'tool:starling/peers', true],
    [['tool:@*/*/*'], 'tool:@alice/starling/peers', false],
    [['tool:@*/starling/*'], 'tool:@alice/starling/peers', true],
    [['tool:starling/*'], 'tool:files/read_file', false],
    [['agent:*'], 'agent:digger', true],
    [[], 'tool:files/read_file', false],
    [['nonsense', 'tool:files/*'], 'tool:files/read_file', true],
  ])('%j gives %s: %s', (scopes, scope, isCovered) => {
    expect(scopesCover(scopes, scope)).toBe(isCovered);
    // As it was read the first time.
    expect(scopesCover(scopes, scope)).toBe(isCovered);
  });
});

it('a scope is a resource pattern, or one of two words', () => {
  expect(['*', 'metrics', 'tool:files/*'].map(isScope)).toEqual([true, true, true]);
  expect(['', 'metric', 'files'].map(isScope)).toEqual([false, false, false]);
});

it('who attaches is a client with a person before it, and no figures of the node', () => {
  const client = attachedClient('cursor');
  expect(client).toMatchObject({ kind: 'client', name: 'cursor', person: true });
  expect(scopesCover(client.scopes, 'tool:files/read_file')).toBe(true);
  expect(scopesCover(client.scopes, 'metrics')).toBe(false);
  expect(Object.isFrozen(client)).toBe(true);
});
