/**
 * Nothing that a peer, a server or a model says becomes more than text on the page: its code has no way to make markup,
 * an address or a style of a text. What the browser forbids besides is shown in `test/e2e/dashboard`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const PAGE = resolve(import.meta.dirname, '../../src/dashboard/page');
const files = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /\.tsx?$/.test(file),
);

/** Ways in which a text can become something else, in a browser or by Preact. */
const WAYS =
  /dangerouslySetInnerHTML|(?:inner|outer)HTML|insertAdjacent|document\.write|srcdoc|DOMParser|createContextualFragment|\beval\b|new Function|setAttribute|\bstyle=|javascript:|\bon[a-z]+=["'`]/;
/** Attributes that lead somewhere: of fixed texts, or of a fixed table of this code. */
const LEADS =
  /\b(?:href|src|action|formaction|xlink:href|data|ping)=(\{`[^`]*`\}|\{[^}]*\}|"[^"]*"|'[^']*')/g;
const FIXED = ['"icon.svg"', '{`#/${page.path}`}', '{`#/${path}`}'];

it.each(files)('%s makes nothing but text of what it is told', (file) => {
  const code = readFileSync(resolve(PAGE, file), 'utf8');
  expect(WAYS.exec(code)?.[0]).toBeUndefined();
  for (const [, leads = ''] of code.matchAll(LEADS)) expect(FIXED).toContain(leads);
});

it('the files are looked at, and what is looked for would be found', () => {
  expect(files.length).toBeGreaterThan(20);
  expect(WAYS.test('<p dangerouslySetInnerHTML={{ __html: name }} />')).toBe(true);
  expect([...'<a href={url}>'.matchAll(LEADS)][0]?.[1]).toBe('{url}');
});
