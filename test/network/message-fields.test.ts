import { encode } from 'cborg';
import { describe, expect, it } from 'vitest';
import { messageFields } from '../../src/network/index.ts';

describe('a message of a peer', () => {
  it('says what its map has', () => {
    expect({ ...messageFields(encode({ t: 'have', count: 2 })) }).toEqual({ t: 'have', count: 2 });
  });

  it.each([
    ['nothing', Buffer.of()],
    ['no CBOR', Buffer.from('{"t":1}')],
    ['half a map', encode({ t: 'have' }).subarray(0, 4)],
    ['a list', encode([1, 2])],
    ['bytes', encode(Uint8Array.of(1))],
    ['null', encode(null)],
    ['a key twice', Buffer.from('a2617401617402', 'hex')],
  ])('says nothing where it is %s', (_, bytes) => {
    expect(Object.keys(messageFields(bytes))).toEqual([]);
  });

  it('says nothing by its prototype', () => {
    // {"__proto__": {"connected": true}}
    const bytes = Buffer.concat([
      Buffer.from('a1695f5f70726f746f5f5f', 'hex'),
      encode({ connected: true }),
    ]);
    const fields = messageFields(bytes);
    expect(fields['connected']).toBeUndefined();
    expect(fields['toString']).toBeUndefined();
  });
});
