/** What a tool gives as the answer of its call: the members that the program reads and the text that others read are the same. */
import { describe, expect, it } from 'vitest';
import { contentOf, ownResponse } from '../../../src/gateway/builtin/answers.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { JsonObject } from '../../../src/index.ts';
import type { ResponseFrame } from '../../../src/gateway/frame-types.ts';

const RESULTS: readonly JsonObject[] = [
  {},
  { a: 1, text: 'ü "quoted"', list: [{ b: null }] },
  { resultType: 'own', a: 1 },
  { content: 'its own', a: 1 },
  { structuredContent: { of: 'its own' } },
  { isError: true, message: 'no' },
];
const HOWS = [{}, { onTop: true }, { forNodes: true }, { onTop: true, forNodes: true }];
const KINDS: readonly JsonObject[] = [{}, { resultType: 'complete' }];

const all = RESULTS.flatMap((result) =>
  HOWS.flatMap((how) => KINDS.map((kind) => ({ result, how, kind }))),
);

describe('an answer', () => {
  it.each(all)('$how of $result as $kind is to its reader what it is here', (one) => {
    const { how, kind, result } = one;
    const frame = ownResponse(7, kind, contentOf(result, how));
    const read = parseFrame(frame.bytes) as ResponseFrame;
    expect(read.result).toEqual(frame.result);
    expect(Object.keys(read.result ?? {})).toEqual(Object.keys(frame.result ?? {}));
    const text = how.forNodes === true ? [] : [{ type: 'text', text: JSON.stringify(result) }];
    const own = { content: text, structuredContent: result };
    expect(read.result).toEqual({ ...kind, ...(how.onTop === true ? result : {}), ...own });
    expect(frame.isError).toBe(read.result?.['isError'] === true);
  });

  it('that is no result of a tool is written as it is', () => {
    const { bytes } = ownResponse(
      7,
      { resultType: 'complete' },
      { resultType: 'task', taskId: 't' },
    );
    expect(parseFrame(bytes)).toMatchObject({ result: { resultType: 'task', taskId: 't' } });
  });
});
