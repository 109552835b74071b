/** What libp2p and the system say of a failed dial, as libp2p 3.3 and Node 20 say it, and what a person reads. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../src/core/index.ts';
import { isOtherKey, unreachable } from '../../src/network/dialing/dial-failure.ts';
import { reasonAt } from '../../src/network/failure-words.ts';
import { isOutOfTime } from '../../src/network/host/encryption.ts';

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });
const PEER = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq';

describe('a failed dial', () => {
  it.each([
    ['failed to connect via relay with status NO_RESERVATION', 'no connection with it'],
    ['failed to connect via relay with status PERMISSION_DENIED', 'only members'],
    ['connect ECONNREFUSED 192.0.2.7:4040', 'nothing listens at 192.0.2.7:4040'],
    ['connect ENETUNREACH 2001:db8::7:4040 - Local (:::0)', 'no way to 2001:db8::7:4040'],
    ['getaddrinfo ENOTFOUND home.example', 'the name home.example is not known here'],
    ['The operation was aborted due to timeout', 'no answer in time'],
    ['the TLS handshake took too long', 'no answer in time'],
    ['it took longer than 20000 ms', 'no answer in time'],
    ['read ECONNRESET', 'ended the connection'],
    ['The stream has been reset', 'ended the connection'],
    ['Protocol selection failed - could not negotiate /tls/1.0.0', 'no Starling node is there'],
    ['The dial request has no valid addresses', 'can be dialled from here'],
    ['Payload identity key does not match: Unexpected Peer', 'another node is at its address'],
    ['Not found', 'no member knows where it is'],
    ['The certificate is not valid yet', 'clock'],
    ['Something that nobody has seen before (0x17)', 'STARLING_LOG=debug'],
  ])('of which the library says "%s" is told in our words', (theirs, ours) => {
    const error = unreachable(PEER, [new AggregateError([new Error(theirs)], 'All dials failed')]);
    expect(error.message).toContain(ours);
    expect(error.message).toContain(PEER);
    expect(error.message).not.toContain(theirs);
    expect(error.message).not.toMatch(/relay with status|E[A-Z]{6,}|multistream|0x17/);
  });

  it('names its place once, as people write places', () => {
    const refused = new Error('connect ECONNREFUSED 192.0.2.7:4040');
    expect(reasonAt(`/ip4/192.0.2.7/tcp/4040/p2p/${PEER}`, refused)).toBe(
      '192.0.2.7:4040: nothing listens there',
    );
  });

  it('that a member has refused keeps what that one said', () => {
    const refusal = new StarlingError('STARLING_JOIN_REFUSED', 'alice refused us: why not');
    expect(unreachable(PEER, [refusal]).message).toContain('alice refused us: why not');
  });

  it('because of the clocks says so, with what to do, and is no sign of another key', () => {
    const clocks = named('EncryptionFailedError', 'The certificate is not valid yet');
    expect(isOutOfTime(new AggregateError([clocks]))).toBe(true);
    expect(isOtherKey(clocks)).toBe(false);
    expect(isOtherKey(named('EncryptionFailedError', 'Unexpected Peer'))).toBe(true);
    expect(unreachable(PEER, [clocks])).toMatchObject({ hint: expect.stringContaining('clock') });
  });
});
