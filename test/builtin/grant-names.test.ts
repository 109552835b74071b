/** Names of things as people copy them from lists, where a grant is handed on. */
import { expect, it } from 'vitest';
import { withoutOwner } from '../../src/builtin/grant-names.ts';

it('what is handed on may have the name of its owner before it, as lists show it', () => {
  const typed = {
    tools: ['desk/files/read', 'desk__files__read', 'files/read'],
    prompts: ['desk__git__sum'],
    resources: ['desk/files/file:///srv/**'],
    servers: ['desk/files', 'files'],
  };
  expect(withoutOwner(typed, 'desk', ['files'])).toEqual({
    tools: ['files/read', 'files/read', 'files/read'],
    prompts: ['git/sum'],
    resources: ['files/file:///srv/**'],
    servers: ['files', 'files'],
  });
});

it('a server that is called as its node is no node', () => {
  const typed = { tools: ['desk/files/read'] };
  expect(withoutOwner(typed, 'desk', ['desk'])).toBe(typed);
  expect(withoutOwner(typed, undefined, [])).toBe(typed);
});
