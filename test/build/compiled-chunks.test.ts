import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompiledChunks } from '../../build/compiled-chunks.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-chunks-'));
  await writeFile(join(folder, 'word.cjs'), 'exports.word = "Grüße";');
  await writeFile(
    join(folder, 'main.cjs'),
    `const { word } = require("./word.cjs");
const { basename } = require("node:path");
exports.said = () => word + " of " + basename(__filename) + ", " + (require("./word.cjs") === require("./word.cjs"));
exports.fail = () => { throw new Error("here"); };`,
  );
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Main {
  said(): string;
  fail(): void;
}

const run = (): Main => new CompiledChunks().run(join(folder, 'main.cjs')) as Main;

describe('the chunks of the built program', () => {
  it('run without compiled code, with their own names and lines in errors', () => {
    const main = run();
    expect(main.said()).toBe('Grüße of main.cjs, true');
    expect(() => main.fail()).toThrow(
      expect.objectContaining({ stack: expect.stringContaining('main.cjs:4:') as string }),
    );
  });

  it('run the same with the code that was compiled before', async () => {
    const first = new CompiledChunks();
    (first.run(join(folder, 'main.cjs')) as Main).said();
    first.write();
    expect((await readFile(join(folder, 'main.cjs.v8'))).length).toBeGreaterThan(100);
    expect(run().said()).toBe('Grüße of main.cjs, true');
  });

  it.each([
    ['that is cut off', (code: Buffer) => code.subarray(0, code.length / 2)],
    ['of another V8', (code: Buffer) => Buffer.concat([Buffer.alloc(16), code.subarray(16)])],
    ['that is none', () => Buffer.from('?')],
    ['that is empty', () => Buffer.alloc(0)],
  ])('run from their source beside compiled code %s', async (_, spoil) => {
    const first = new CompiledChunks();
    first.run(join(folder, 'main.cjs'));
    first.write();
    const file = join(folder, 'main.cjs.v8');
    await writeFile(file, spoil(await readFile(file)));
    expect(run().said()).toBe('Grüße of main.cjs, true');
  });
});
