/** The head of a list's answer: what its client looks for. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { listPage } from '../../../src/gateway/session/list-page.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { View } from '../../../src/gateway/catalog/types.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';

const GATEWAY = resolve(import.meta.dirname, '../../../src/gateway');
const view = {
  toolsMode: 'list',
  lists: { page: () => Buffer.from('"tools":[') },
} as unknown as View;

it.each(['1', '1e2', '1.0', '-0', '1E+2', '12345678901234567890', '"a\\"b"'])(
  'a list is answered under the id as it was written: %s',
  (id) => {
    const text = `{"jsonrpc":"2.0","id":${id},"method":"tools/list"}`;
    const frame = parseFrame(Buffer.from(text)) as RequestFrame;
    for (const era of ['legacy', 'modern'] as const) {
      const page = listPage(frame, era, { view, kind: 'tools', searchPages: [] }).toString();
      expect(page.startsWith(`{"jsonrpc":"2.0","id":${id},"result":{`)).toBe(true);
    }
  },
);

it('no id is written as JavaScript writes it', () => {
  const files = readdirSync(GATEWAY, { recursive: true }).map(String);
  const wrong = files
    .filter((name) => name.endsWith('.ts') && !name.endsWith('frame-id.ts'))
    .filter((name) =>
      /JSON\.stringify\((?:\w+\.)*(?:id|requestId|progressToken)\)/.test(
        readFileSync(join(GATEWAY, name), 'utf8'),
      ),
    );
  expect(wrong).toEqual([]);
});
