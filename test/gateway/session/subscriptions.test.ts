/** How many resources one session may hear of. */
import { expect, it } from 'vitest';
import { createSubscriptions } from '../../../src/gateway/session/subscriptions.ts';
import type { RequestFrame } from '../../../src/gateway/types.ts';

const REPLY = { interim: () => undefined, final: () => undefined };

it('takes new subscriptions for ever, where old ones are ended', () => {
  const subscriptions = createSubscriptions();
  for (let count = 0; count < 3000; count += 1) {
    const uri = `test://${count}`;
    expect(subscriptions.know(uri, 'files', uri)).toBe(true);
    subscriptions.add(uri);
    subscriptions.remove(uri);
  }
});

it('refuses the subscription that is one too many', () => {
  const subscriptions = createSubscriptions();
  for (let count = 0; count < 1000; count += 1) {
    const uri = `test://${count}`;
    subscriptions.know(uri, 'files', uri);
    subscriptions.add(uri);
  }
  expect(subscriptions.know('test://more', 'files', 'test://more')).toBe(false);
});

it('keeps what a listener still hears when the client unsubscribes by itself', () => {
  const subscriptions = createSubscriptions();
  const params = { notifications: { resourceSubscriptions: ['test://a'] } };
  const request: RequestFrame = {
    kind: 'request',
    bytes: Buffer.from('{}'),
    id: 1,
    method: 'subscriptions/listen',
    params,
  };
  subscriptions.know('test://a', 'files', 'test://a');
  const listener = subscriptions.listen(request, REPLY);
  subscriptions.add('test://a');
  subscriptions.remove('test://a');
  expect(subscriptions.uris()).toEqual(['test://a']);
  if (listener !== undefined) subscriptions.close(listener, false);
  expect(subscriptions.uris()).toEqual([]);
});
