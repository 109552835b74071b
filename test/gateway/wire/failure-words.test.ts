/** Why a server at a URL can't be reached, in words. */
import { expect, it } from 'vitest';
import { failureText } from '../../../src/gateway/wire/failure-words.ts';

it.each([
  ['connect ECONNREFUSED 127.0.0.1:9', 'nothing listens at 127.0.0.1:9'],
  ['connect ECONNREFUSED ::1:9; connect ECONNREFUSED 127.0.0.1:9', 'nothing listens at ::1:9'],
  ['getaddrinfo ENOTFOUND tools.example', 'the name tools.example is not known here'],
  ['read ECONNRESET', 'whoever is there ended the connection'],
  ['self-signed certificate', 'self-signed certificate'],
  [
    'write EPROTO 00:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:..:SSL alert number 116',
    'it wants a certificate of ours (`tls`)',
  ],
  [
    '00:error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:..:SSL alert number 48',
    'it does not take our certificate (`tls.cert`)',
  ],
])('%s: %s', (theirs, ours) => {
  expect(failureText(new Error(theirs))).toBe(ours);
});
