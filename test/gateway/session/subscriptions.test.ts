/** How many resources one session may hear of, and what becomes of subscriptions that are refused. */
import { describe, expect, it } from 'vitest';
import { createSubscriptions } from '../../../src/gateway/session/subscriptions.ts';
import type { Listener, Subscriptions } from '../../../src/gateway/session/subscriptions.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { NotificationFrame, RequestFrame } from '../../../src/gateway/frame-types.ts';

const REPLY = { interim: () => undefined, final: () => undefined };

function listenTo(subscriptions: Subscriptions, uris: readonly string[]): Listener {
  const request: RequestFrame = {
    kind: 'request',
    bytes: Buffer.from('{}'),
    id: 1,
    method: 'subscriptions/listen',
    params: { notifications: { resourceSubscriptions: [...uris] } },
  };
  return subscriptions.listen(request, REPLY);
}

function updateOf(uri: string): NotificationFrame {
  const message = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } };
  return parseFrame(Buffer.from(JSON.stringify(message))) as NotificationFrame;
}

function pushedFor(subscriptions: Subscriptions, theirs: string): readonly unknown[] {
  const pushed: unknown[] = [];
  subscriptions.updated('files', updateOf(theirs), (message) => {
    const { params } = JSON.parse(message.toString()) as { params: { uri: string } };
    pushed.push(params.uri);
  });
  return pushed;
}

describe('the bound of a session', () => {
  it('takes new subscriptions for ever, where old ones are ended', () => {
    const subscriptions = createSubscriptions();
    for (let count = 0; count < 3000; count += 1) {
      const uri = `test://${count}`;
      subscriptions.begin(uri, 'files', uri).made();
      subscriptions.remove(uri);
    }
    expect(subscriptions.uris()).toEqual([]);
  });

  it('takes new subscriptions for ever, where the server refuses them', () => {
    const subscriptions = createSubscriptions();
    for (let count = 0; count < 3000; count += 1) {
      const uri = `test://${count}`;
      subscriptions.begin(uri, 'files', uri).failed();
    }
    expect(subscriptions.isOn('files')).toBe(false);
  });

  it('refuses the subscription that is one too many', () => {
    const subscriptions = createSubscriptions();
    for (let count = 0; count < 1000; count += 1) {
      const uri = `test://${count}`;
      subscriptions.begin(uri, 'files', uri).made();
    }
    expect(() => subscriptions.begin('test://more', 'files', 'test://more')).toThrow(
      expect.objectContaining({ code: 'STARLING_LIMIT_EXCEEDED' }),
    );
    subscriptions.begin('test://0', 'files', 'test://0').made();
  });
});

describe('a subscription whose server has not answered', () => {
  it('hears of changes already, and no more once the server refuses', () => {
    const subscriptions = createSubscriptions();
    const attempt = subscriptions.begin('here://a', 'files', 'test://a');
    expect(pushedFor(subscriptions, 'test://a')).toEqual(['here://a']);
    attempt.failed();
    expect(pushedFor(subscriptions, 'test://a')).toEqual([]);
  });

  it('is not among those that are made again when the channel ends', () => {
    const subscriptions = createSubscriptions();
    const attempt = subscriptions.begin('here://a', 'files', 'test://a');
    expect(subscriptions.at('files')).toEqual([]);
    attempt.made();
    expect(subscriptions.at('files')).toEqual([{ uri: 'here://a', theirs: 'test://a' }]);
  });

  it('leaves the one that was made before as it is when it fails', () => {
    const subscriptions = createSubscriptions();
    subscriptions.begin('here://a', 'files', 'test://a').made();
    subscriptions.begin('here://a', 'files', 'test://a').failed();
    expect(subscriptions.at('files')).toEqual([{ uri: 'here://a', theirs: 'test://a' }]);
  });

  it('is not made by an answer that comes after the client has unsubscribed', () => {
    const subscriptions = createSubscriptions();
    const attempt = subscriptions.begin('here://a', 'files', 'test://a');
    subscriptions.remove('here://a');
    attempt.made();
    expect(subscriptions.at('files')).toEqual([]);
  });
});

it('tells each change once, however often the client has subscribed', () => {
  const subscriptions = createSubscriptions();
  subscriptions.begin('here://a', 'files', 'test://a').made();
  subscriptions.begin('here://a', 'files', 'test://a').made();
  subscriptions.begin('here://a', 'files', 'test://a');
  expect(pushedFor(subscriptions, 'test://a')).toEqual(['here://a']);
});

it('follows a resource to the server that has it now', () => {
  const subscriptions = createSubscriptions();
  subscriptions.begin('here://a', 'files', 'test://a').made();
  subscriptions.moved('here://a', 'copies', 'test://b');
  expect(subscriptions.isOn('files')).toBe(false);
  expect(subscriptions.at('copies')).toEqual([{ uri: 'here://a', theirs: 'test://b' }]);
});

it('keeps what a listener still hears when the client unsubscribes by itself', () => {
  const subscriptions = createSubscriptions();
  const listener = listenTo(subscriptions, ['test://a']);
  subscriptions.begin('test://a', 'files', 'test://a', listener).made();
  subscriptions.begin('test://a', 'files', 'test://a').made();
  subscriptions.remove('test://a');
  expect(subscriptions.uris()).toEqual(['test://a']);
  expect(subscriptions.close(listener, false)).toEqual([{ uri: 'test://a', server: 'files' }]);
  expect(subscriptions.uris()).toEqual([]);
});
