import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import { ENVELOPE_KEYS, twinInAnswer } from '../../../src/gateway/wire/envelope.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';

function refusalOf(text: string): string | undefined {
  try {
    parseFrame(Buffer.from(text));
    return undefined;
  } catch (error) {
    if (error instanceof StarlingError) return error.message;
    throw error;
  }
}

const call = (params: string, top = ''): string =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}${top}}`;

describe('a key that some reader takes for one that decides', () => {
  it.each([
    ['in other letters', call('{"name":"a","Name":"b"}'), 'name'],
    ['with a long s', call('{"name":"a","argument\u017f":{}}'), 'arguments'],
    ['with an escape of it', call('{"name":"a","argument\\u017f":{}}'), 'arguments'],
    ['with an escape of a capital', call('{"name":"a","\\u0041rguments":{}}'), 'arguments'],
    ['in full width', call('{"name":"a","\uff4eame":"b"}'), 'name'],
    ['with something invisible', call('{"name":"a","na\u200bme":"b"}'), 'name'],
    ['with a NUL behind', call('{"name":"a","name\\u0000x":"b"}'), 'name'],
    ['without the letter i', call('{"u\u0072\u0131":"b"}'), 'uri'],
    ['in snake case', call('{"name":"a","request_state":"b"}'), 'requestState'],
    ['without its underscore', call('{"name":"a","meta":{}}'), '_meta'],
    ['alone', call('{"NAME":"b"}'), 'name'],
    ['beside params', call('{"name":"a"}', ',"Params":{}'), 'params'],
    ['beside the method', call('{"name":"a"}', ',"METHOD":"x"'), 'method'],
    ['beside the id', call('{"name":"a"}', ',"Id":2'), 'id'],
    ['in _meta', call('{"_meta":{"ProgressToken":1}}'), 'progressToken'],
    ['in _meta of ours', call('{"_meta":{"Starling/Token":1}}'), 'starling/token'],
    ['in ref', call('{"ref":{"Name":1}}'), 'name'],
    ['in task', call('{"task":{"TTL":1}}'), 'ttl'],
    ['in argument', call('{"argument":{"Value":1}}'), 'value'],
  ])('is refused %s', (_, text, meant) => {
    expect(refusalOf(text)).toContain(`could be read as "${meant}"`);
  });

  it('with a Kelvin sign is refused', () => {
    const text = call('{"name":"a","ta\\u017f\u212a":{}}');
    expect(refusalOf(text)).toContain('could be read as "task"');
  });

  it('is refused in a notification and in an answer', () => {
    const told = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"RequestId":1}}';
    expect(refusalOf(told)).toContain('could be read as "requestId"');
    const answer = parseFrame(Buffer.from('{"jsonrpc":"2.0","id":1,"Id":2,"result":{}}'));
    expect(answer).toMatchObject({ kind: 'response', id: 1, odd: expect.stringContaining('"id"') });
  });

  it('is none of those that decide anywhere: an answer that has no others need not be searched for one', () => {
    for (const key of ENVELOPE_KEYS) expect(twinInAnswer({ [key]: 1 })).toBe(undefined);
    expect(twinInAnswer({ Result: 1 })).toContain('"result"');
  });

  it('makes a method of MCP of what is none, and so is refused', () => {
    for (const method of ['Tools/Call', 'tools/call\u0000', 'tool\u017f/call', 'resources/Read']) {
      const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { name: 'a' } });
      expect(refusalOf(text)).toContain('could be read as');
    }
  });
});

describe('keys that mean nothing to anybody', () => {
  it.each([
    call('{"name":"a","names":1,"my_name":2,"x":{"Name":1},"arguments":{"Name":"b","name":1}}'),
    call(
      '{"name":"a","_meta":{"traceparent":"00-1","vendor/Token":1,"name":2}}',
      ',"note":{"ID":1}',
    ),
    '{"jsonrpc":"2.0","id":1,"method":"vendor/add","params":{"Name":"a","meta":1,"URI":"b"}}',
    '{"jsonrpc":"2.0","method":"notifications/vendor","params":{"Name":"a"}}',
    '{"jsonrpc":"2.0","id":1,"result":{"Result":1,"ID":2}}',
    call('{"name":"a","x":1,"x":2}'),
  ])('pass: %s', (text) => {
    expect(refusalOf(text)).toBe(undefined);
  });
});
