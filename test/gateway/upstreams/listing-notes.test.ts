/** Why an item of a list is not offered, for who calls it all the same. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { soundItems } from '../../../src/directory/index.ts';
import { createListingNotes } from '../../../src/gateway/upstreams/listing-notes.ts';

it.each(['a'.repeat(200), '\u0000odd', 'fine\u202Ename'])(
  'an item is found by the name that its server gave it: %j',
  (name) => {
    const tools = [{ name, inputSchema: { type: 'object' } }];
    const { remarks } = soundItems(
      { tools, resources: [], templates: [], prompts: [] },
      { tools: 10, bytes: 10_000 },
    );
    const notes = createListingNotes({ logger: silentLogger });
    notes.set(remarks, []);
    expect(notes.leftOut('tool', name)).toMatch(/name/);
    expect(notes.leftOut('tool', 'other')).toBeUndefined();
  },
);
