/** The definition of a tool, as a pin keeps it: what changes it, and what does not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { definitionOf } from '../../../src/gateway/pins/definition.ts';
import type { NamedItem } from '../../../src/gateway/pins/definition.ts';

const tool = (name: string): NamedItem => ({
  name,
  description: `does ${name}`,
  inputSchema: { type: 'object', properties: { path: { type: 'string' } } },
});

describe('a definition', () => {
  it('is the same whatever the order of its members, and whatever else the item carries', () => {
    const one = definitionOf('tool', { name: 'a', description: 'b', inputSchema: { x: 1, y: 2 } });
    const two = definitionOf('tool', {
      _meta: { at: 1 },
      inputSchema: { y: 2, x: 1 },
      icons: [],
      description: 'b',
      name: 'a',
    });
    expect(two.hash).toBe(one.hash);
    expect(one.canonical()).toBe('{"description":"b","inputSchema":{"x":1,"y":2},"name":"a"}');
  });

  it.each([
    ['title', { title: 't' }],
    ['description', { description: 'other' }],
    ['input schema', { inputSchema: { type: 'object', required: ['path'] } }],
    ['output schema', { outputSchema: { type: 'object' } }],
    ['annotations', { annotations: { readOnlyHint: true } }],
  ])('changes with its %s', (_, change) => {
    const before = definitionOf('tool', tool('a'));
    expect(definitionOf('tool', { ...tool('a'), ...change }).hash).not.toBe(before.hash);
  });

  it('of any JSON has a hash, and others have others', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '\\', '\ud800', '\udc00', 'u', 'd', '8', '0'),
    });
    fc.assert(
      fc.property(text, text, (one, two) => {
        const [first, second] = [one, two].map(
          (description) => definitionOf('tool', { name: 'a', description }).hash,
        );
        expect(first === second).toBe(one === two);
      }),
      { seed: 4, numRuns: 500 },
    );
  });
});
