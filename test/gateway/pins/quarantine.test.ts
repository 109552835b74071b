/** What a caller is told of a tool that is held back. */
import { describe, expect, it } from 'vitest';
import { pinReference, quarantineError } from '../../../src/gateway/pins/quarantine.ts';

describe('the refusal of a quarantined call', () => {
  it('says what is wrong and what allows it', () => {
    const held = { kind: 'tool', name: 'read', reason: 'changed', flags: [] } as const;
    const error = quarantineError({ peer: 'alice', server: 'files' }, held);
    expect(error.code).toBe('STARLING_TOOL_QUARANTINED');
    expect(error.message).toContain('alice__files__read is held back');
    expect(error.hint).toContain('starling pin list');
    expect(error.hint).toContain('starling pin approve alice/files/read');
    expect(error.data).toEqual({ held: 'changed', peer: 'alice', server: 'files' });
  });

  it('can be pasted into a shell whatever the name, and tells another node where', () => {
    const held = { kind: 'prompt', name: "a'; rm \u202E", reason: 'new', flags: [] } as const;
    const error = quarantineError({ server: 'files' }, held, 'alice');
    expect(error.hint).toBe(
      "on alice, look: starling pin list; allow: starling pin approve 'files/a'\\''; rm \\u{202e}'",
    );
    expect(pinReference({ server: 'files' }, 'x')).toBe('files/x');
  });
});
