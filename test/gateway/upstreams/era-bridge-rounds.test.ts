/** What a server of the old era asks a modern client, in how many rounds. */
import { expect, it } from 'vitest';
import { useCleanup } from '../support/gateways.ts';
import { callerOf, jsonOf, upstreamBench } from '../support/upstream-bench.ts';

useCleanup();

it('a modern client is asked in one round what a server asks at once', async () => {
  const caller = callerOf(await upstreamBench({ eras: 'legacy' }));
  const capabilities = { sampling: {}, elicitation: {}, roots: {} };
  const requests = [
    { method: 'elicitation/create', params: { message: 'name?' } },
    { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } },
    { method: 'roots/list', params: {} },
  ];
  const params = { name: 'ask', arguments: { requests } };
  const first = await caller.sendModern('tools/call', params, { capabilities }).ending;
  const inputs = Object.entries(first.result?.['inputRequests'] ?? {});
  expect(inputs.map(([, { method }]: [string, { method: string }]) => method)).toEqual(
    requests.map(({ method }) => method),
  );
  const inputResponses = Object.fromEntries(inputs.map(([key], index) => [key, { n: index }]));
  const retry = { ...params, inputResponses, requestState: first.result?.['requestState'] ?? '' };
  const last = await caller.sendModern('tools/call', retry, { capabilities }).ending;
  expect(last.result?.['resultType']).toBe('complete');
  expect(JSON.stringify(jsonOf(last))).toMatch(/"n":0.*"n":1.*"n":2/);
});
