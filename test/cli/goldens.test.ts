/** The golden files of terminals: nothing in them is wider than the 80 columns for which they were printed. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import stringWidth from 'string-width';
import { expect, it } from 'vitest';

const GOLDEN = resolve(import.meta.dirname, '../golden/terminal');
const COLUMNS = 80;
/** What a person pastes stays on one line, however wide: a command of ours, a line for cron, or one word. */
const TO_COPY = /^ *(?:[→$] )?(?:(?:starling|@reboot) .*|\S+)$/;

it.each(readdirSync(GOLDEN))('%s fits 80 columns, but for what is there to be pasted', (name) => {
  const lines = readFileSync(join(GOLDEN, name), 'utf8').split('\n');
  const wide = lines.filter((line) => stringWidth(line) > COLUMNS && !TO_COPY.test(line));
  expect(wide).toEqual([]);
});
