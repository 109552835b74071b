/**
 * The bytes between nodes, both ways: today's code writes what the fixtures hold, and reads it. The
 * fixtures were written by the code of commit 6fb304d, before the rooms were moved: whoever changes
 * one breaks a mesh of old and new nodes. A red test here asks: is that meant?
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CASES as cases } from './cases.ts';
import { formatMessage, parseFixture } from './fixture.ts';
import type { WireCase } from './world.ts';

const FOLDER = resolve(import.meta.dirname, '../fixtures/wire');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.hex'));
const fixtures = new Map(
  files.map((name) => [
    name.replace(/\.hex$/, ''),
    parseFixture(readFileSync(join(FOLDER, name), 'utf8')),
  ]),
);

function fixtureOf(file: string, title: string): Uint8Array {
  const bytes = fixtures.get(file)?.get(title);
  if (bytes === undefined) throw new Error(`${file}.hex has no '${title}'`);
  return bytes;
}

describe('the fixtures', () => {
  it('hold the cases and nothing else', () => {
    const held = [...fixtures].flatMap(([file, titles]) =>
      [...titles.keys()].map((title) => `${file}: ${title}`),
    );
    expect(held.toSorted()).toEqual(cases.map(({ file, title }) => `${file}: ${title}`).toSorted());
    expect(held.length).toBeGreaterThan(40);
  });
});

const show = ({ kind, notes }: WireCase, bytes: Uint8Array): string =>
  formatMessage(bytes, kind, notes);

describe('what is on the wire', () => {
  const written = cases.flatMap((each) =>
    each.write === undefined ? [] : [{ ...each, write: each.write }],
  );

  it.each(written)('is written as it always was: $file, $title', async (each) => {
    const [now, ever] = [await each.write(), fixtureOf(each.file, each.title)];
    // Compared as text first, so that a difference is read in its field.
    expect(show(each, now)).toBe(show(each, ever));
    expect(Buffer.from(now).equals(ever)).toBe(true);
  });

  it.each(cases)('is read: $file, $title', async ({ file, title, read, value }) => {
    expect(await read(fixtureOf(file, title))).toEqual(value);
  });
});
