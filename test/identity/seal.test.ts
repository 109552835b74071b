/** What is sealed opens for the same node, label and context, and for nobody else. */
import { describe, expect, it } from 'vitest';
import { createIdentity, sealerOf } from '../../src/identity/index.ts';

const identity = createIdentity(Buffer.alloc(32, 7));
const secret = Buffer.from('the secret itself');

describe('a seal', () => {
  it('is opened by the same node, also after a restart', () => {
    const sealed = sealerOf(identity, 'logins').seal('files', secret);
    const again = createIdentity(Buffer.alloc(32, 7));
    const opened = sealerOf(again, 'logins').open('files', sealed);
    expect(Buffer.from(opened)).toEqual(secret);
  });

  it('hides what is in it, and never looks the same', () => {
    const sealer = sealerOf(identity, 'logins');
    const [one, two] = [sealer.seal('files', secret), sealer.seal('files', secret)];
    expect(Buffer.from(one).includes(secret)).toBe(false);
    expect(one).not.toEqual(two);
  });

  it('stays shut for another node, label or context, and when it was touched', () => {
    const sealer = sealerOf(identity, 'logins');
    const sealed = sealer.seal('files', secret);
    const touched = Uint8Array.from(sealed, (byte, at) =>
      at === sealed.length - 1 ? byte ^ 1 : byte,
    );
    const other = createIdentity(Buffer.alloc(32, 8));
    for (const open of [
      () => sealerOf(other, 'logins').open('files', sealed),
      () => sealerOf(identity, 'other').open('files', sealed),
      () => sealer.open('mail', sealed),
      () => sealer.open('files', touched),
      () => sealer.open('files', sealed.subarray(0, 10)),
    ]) {
      expect(open).toThrow(expect.objectContaining({ code: 'STARLING_STATE_UNUSABLE' }));
    }
  });
});
